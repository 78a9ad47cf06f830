// Package rotation writes text files that rotate, and reads the folder they
// lie in.
//
// A [File] is one log: an active file NAME.log that grows, and closed ones
// NAME-2006-01-02T15-04-05.000.log (UTC) that are compressed and, by its
// [Rule], deleted. A [Folder] lists, views and deletes the files of all logs,
// compressed or not.
//
//	file, err := rotation.Open("data/logs/orders.log", &rotation.Options{
//		Rule: rotation.Rule{MaxBytes: 10 << 20, MaxFiles: 20},
//	})
//
// What holds for every File:
//
//   - One Write is whole lines and lies whole in one file. Rotation, a full
//     disk and a restart neither lose nor repeat nor split a line whose Write
//     returned nil.
//   - Names only grow: a file closed later has the larger name, even when the
//     clock steps back, and no file is ever written over.
//   - A Write that fails leaves nothing of its lines behind, and the File
//     stays usable.
//   - Every limit can be changed while the File is written.
//   - When somebody deletes, moves, cuts or extends the active file, that is
//     noticed, mended and reported as a [DamageError].
//   - Files have mode 0600 and folders that Open makes 0700, whatever the
//     umask. Links are not followed.
//
// Lines are handed to the operating system by lumberjack
// (gopkg.in/natefinch/lumberjack.v2), which does nothing else here.
// FORMAT.md has the names of all files and what happens after a crash.
package rotation
