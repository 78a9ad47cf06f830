// Package audit keeps an audit trail: who did what to which thing, when, from
// where, and what it changed. When [Recorder.Record] returns, the record is on
// the disk, in order, and under a signature that anybody can check.
//
//	trail, err := audit.Open("data/logs", nil)
//	receipt, err := trail.Record(ctx, audit.Entry{
//		Event: audit.FlowUpdated, Actor: audit.User("admin@example.com"), FlowID: id,
//		Before: before, After: after,
//	})
//
// A trail is useful alone; a logger.Store has one in its folder (Store.Audit),
// and records in it what is done to the logs themselves.
//
// # What is promised
//
//   - Acknowledged means durable: records that arrive together are written and
//     synced at once, with the checkpoint that signs them. When that fails the
//     caller gets an error within its deadline, and should not do what it was
//     about to do. Nothing is acknowledged after a failure until the trail was
//     read back ([Recorder.Reopen]). Options.BestEffort is the mode for hosts that
//     would rather go on.
//   - After a kill or a power cut the trail ends with its last commit. What lies
//     behind it was not acknowledged; it is put aside, and a record says how
//     much it was. Anything else that is wrong with the active file stops the
//     trail: it is not appended to. Sealed files are read by [Verify] alone.
//   - [Verify] needs nothing but a copy of the folder and the key. It finds every
//     byte that was changed, every record that is missing, repeated or moved, and
//     what was appended without the key.
//
// # What a signature is worth
//
// The key that Open makes lies in the folder. It tells apart what this program
// wrote from what others did who cannot read it. Whoever can may write another
// trail. Two things help, and both are the host's: a key elsewhere
// (Options.Signer, a KMS fits), and checkpoints kept elsewhere
// (Options.OnCheckpoint). Without such an anchor nobody can tell that a folder
// was replaced by an older state of itself, the trail and its checkpoint
// together.
//
// Taking a checkpoint's line out of the middle of a file is not a finding: the
// next one covers the same records.
//
// # Retention
//
// Options.Rule deletes whole sealed files, oldest first, each only after a record
// says so. A file with a record on hold ([Recorder.Hold]) is kept, and so is
// everything after it, for a trail has no gaps. What follows stays provable: the
// first line of every file has what the tree needs of the records before it.
//
// # Secrets
//
// Values of keys that look like secrets, and registered values wherever they
// occur, are replaced in a diff by an HMAC under a key of the folder's, so that a
// change shows and the value does not, and in other texts by "***".
//
// FORMAT.md in this folder has the files and the lines.
package audit
