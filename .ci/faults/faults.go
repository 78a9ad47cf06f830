package main

// fault is a text that stands once in the sources of a package, and what a mistake
// would have put in its place.
type fault struct {
	name     string
	source   string // the folder of the package
	old, new string
	pkg, run string // the package and the tests, as go test -run takes them, that must notice
}

const (
	inAge      = "internal/age"
	inJournal  = "internal/journal"
	inRuns     = "internal/runs"
	inTables   = "internal/tables"
	inRotation = "rotation"
	inLine     = "internal/line"
	inQuery    = "query"
	inLogger   = "logger"
	inAudit    = "audit"
	inVFS      = "internal/vfs"
)

// faults are what the tests must catch: what spec and experience name first, then
// others at which every promise hangs.
var faults = []fault{
	// Durability.
	{"Sync acknowledges before it syncs", inJournal,
		"go func() { done <- j.syncFiles() }()", "go func() { done <- nil }()", inJournal, "^TestSyncIsDurable$"},
	{"Sync of the lumberjack appender does nothing", inRotation,
		"func (a *lumberjackAppender) Sync() error { return a.file.Sync() }", "func (a *lumberjackAppender) Sync() error { return nil }",
		inRotation, "^(TestAppenders|TestSyncReachesTheFile)$"},
	{"the folder of a rotated file is not synced", inRotation,
		"if err := f.fs.SyncDir(f.dir); err != nil {", "if err := error(nil); err != nil {", inRotation, "^TestPowerCuts$"},
	{"the folder of reserved numbers is not synced", inVFS,
		"return fsys.SyncDir(filepath.Dir(name))", "_ = filepath.Dir(name)\n\treturn nil", inJournal, "^TestNumbersAreNotGivenTwice$"},
	{"closed files are not synced", inRotation,
		"errs = append(errs, t.release(), t.Sync(), t.Close())", "errs = append(errs, t.release(), t.Close())", inRotation, "^TestPowerCuts$"},
	{"a line goes behind half of one", inRotation,
		"actual != f.size.Load() {", "actual < 0 {", inRotation, "^TestDamage$"},
	{"a failed sync is believed the second time", inRotation,
		"\t\t\tf.sick = sick\n", "\t\t\t_ = sick\n", inRotation, "^TestFailedSync$"},
	{"a clock that leaps ahead deletes what is years from old", inAge,
		"wall.Sub(without) <= Leap ||", "true ||", inRotation, "^TestRetainAfterALeap$"},
	{"a text whose sync failed is gone on with after a kill", inJournal,
		"upto == size {", "upto <= size {", inJournal, "^TestKilledAfterAFailedSync$"},
	{"compression removes the plain file before the other is synced", inRotation,
		"return out.Sync()", "return nil", inRotation, "^(TestPowerCuts|TestStopAtEveryStepOfCompression)$"},
	{"what saved tables know of a sealed file is counted again", inTables,
		"t.countSealed(x, t.settled, 1)", "t.countSealed(x, 0, 1)", inJournal, "^TestSavedWhileOpen$"},
	{"saved tables are believed of a text that was changed", inTables,
		"if f == nil || f.found || !f.is(", "if f == nil || f.found && !f.is(", inJournal, "^TestSavedWhileOpen$"},
	{"a run that was over and changed is told of as before", inRuns,
		"\th.changes++\n", "", inQuery, "^TestKeptMainLogs$"},
	{"runs of files that are gone are taken from saved tables", inTables,
		"if !f.found && f.log == Usage {", "if f.log == \"\" {", inJournal, "^TestDeletedAndKilled$"},
	{"of what a full disk left in the ring, what the text has is written again", inJournal,
		"case i < written[fr.file]:\n\t\t\tf.writtenTo = end", "case i < written[fr.file]:", inJournal, "^TestOpenOnDiskFullForOne$"},
	{"a writer whose disk hangs, or that was stopped, is taken for one that is gone", inJournal,
		"vfs.Locked(j.fs, j.privatePath(lockName))", "false", inJournal, "^TestReaderBesideAStuckDisk$"},
	{"a full ring has no room to say what was dropped", inJournal,
		"return r.size - min(r.size/64, 16<<10)", "return r.size", inJournal, "^TestCloseOnFullDisk$"},
	{"in mode write a full disk keeps a folder shut", inJournal,
		"return j.ring != nil && !j.ring.crcs", "return j.ring != nil && !j.ring.crcs && j.opts.Mode == ModeJournal", inJournal, "^TestOpenOnFullDiskOtherwise$"},
	{"what was dropped is forgotten with the process", inJournal,
		"if !j.keepsLost(f) || j.closed {", "if j != nil {", inJournal, "^TestDroppedAndKilled$"},
	{"what was said to be dropped is said again", inJournal,
		"said = l.saidIn(snap, name)", "said = l.saidIn(snap, name) && l.count == 0", inJournal, "^TestDroppedIsSaidOnce$"},
	{"half a count of what was dropped is believed", inJournal,
		"if binary.LittleEndian.Uint32(slot[offCheck:]) != crc32.Checksum(slot[:offCheck], castagnoli) {", "if false {", inJournal, "^TestDroppedTorn$"},
	{"after a power cut the text is taken as it is", inJournal,
		"j.rebooted = found && !left.Clean &&", "j.rebooted = false &&", inJournal, "^TestTextAfterAPowerCut$"},

	{"an audit record is acknowledged before it is synced", inAudit,
		"if err := t.file.Sync(); err != nil {\n\t\treturn fmt.Errorf(\"sync %s: %w\", activeName, err)", "if err := error(nil); err != nil {\n\t\treturn fmt.Errorf(\"sync %s: %w\", activeName, err)",
		inAudit, "^(TestPowerCuts|TestPoisoned)$"},
	{"the folder that a new trail's folder lies in is not synced", inAudit,
		"if err := vfs.SyncParent(r.fs, r.dir); err != nil {", "if err := error(nil); err != nil {",
		inAudit, "^(TestPowerCuts|TestPoisoned)$"},
	{"an audit record is acknowledged although its file was removed", inAudit,
		"return t.intact(t.size + int64(len(t.buf)))", "return nil", inAudit, "^TestChangedBySomebodyElse$"},
	{"a trail goes on after a failed sync", inAudit,
		"t.failed = unavailable(err)", "_ = err", inAudit, "^TestPoisoned$"},
	{"what a failed sync left is not written again", inAudit,
		"asked && upto >= c.goodEnd {", "asked && upto >= 0 {", inAudit, "^TestPoisoned$"},

	// The audit trail.
	{"a line that lies in two pieces loses its beginning", inAudit,
		"l.text = append(l.text, c.text[:n]...)", "l.text = append(l.text[:0], c.text[:n]...)", inAudit, "^TestVerifyPieces$"},
	{"what a sidecar says of a hash is believed", inAudit,
		"tlog.CheckRecord(hashes, int64(p.checkpoint.Size), p.checkpoint.Root, seq, leaf) != nil", "leaf != leaf", inAudit, "^TestActiveHashes$"},
	{"a sidecar goes on where another one ended", inAudit,
		"if point.Size != uint64(head.size) || point.Root != head.root() {", "if false {", inAudit, "^TestActiveHashes$"},
	{"a signature that was changed is taken for the signer's", inAudit,
		"return err == nil && bytes.Equal(want, sig)", "return err == nil && bytes.Equal(want, want)", inAudit, "^TestSignerAlone$"},
	{"nobody hears who took logs out", inLogger,
		"\ts.engine.OnRead(s.read)\n", "\t_ = s.read\n", inLogger, "^TestAuditOfReads$"},

	// Kills and recovery.
	{"a torn last line is not cut", inRotation,
		"\tif end < size {\n", "\tif end < 0 {\n", inRotation, "^TestTornLastLine$"},
	{"replay begins one frame too late", inJournal,
		"written[fr.file] = i + 1", "written[fr.file] = i + 2", inJournal, "^TestReplayBeginsWhereTheTextEnds$"},
	{"replay begins one frame too early", inJournal,
		"written[fr.file] = i + 1", "written[fr.file] = i", inJournal, "^TestReplayBeginsWhereTheTextEnds$"},
	{"recovery does not look at checksums", inJournal,
		"ok = r.whole(&fr, body) &&", "ok = (r.whole(&fr, body) || true) &&", inJournal, "^TestDamagedFrame$"},
	{"numbers are not reserved ahead", inJournal,
		"return n, n.reserve(n.next + reserveStep)", "n.reserved = n.next + reserveStep\n\treturn n, nil", inJournal, "^TestNumbersAreNotGivenTwice$"},
	{"runs of a dead process stay open", inJournal,
		"if state.Ended || j.keepOpen(r) {", "if true {", inLogger, "^TestDeadProcess$"},
	{"the folder is not locked", inJournal,
		"if errors.Is(err, vfs.ErrLocked) {", "if err != nil {\n\t\tlock, err = j.fs.Lock(filepath.Join(private, lockName+\"2\"))\n\t}\n\tif errors.Is(err, vfs.ErrLocked) {", inLogger, "^TestClose$|^TestProblems$|^TestTextFiles$"},

	// The ring.
	{"a frame is taken for one step shorter than it is", inJournal,
		"return (frameHeader + uint64(body) + frameAlign - 1) &^ (frameAlign - 1)", "return (frameHeader + uint64(body)) &^ (frameAlign - 1)",
		inJournal, "^TestKills$"},
	{"a body that wraps is put one byte off", inJournal,
		"copy(r.data, body[n:])", "copy(r.data[1:], body[n:])", inJournal, "^TestSlowDisk$"},
	{"a body that wraps is read one byte short", inJournal,
		"return append(dst, r.data[:end-r.size]...)", "return append(dst, r.data[:end-r.size-1]...)", inJournal, "^TestSlowDisk$"},
	{"the tail is released one step too far", inJournal,
		"j.tail.Store(upto)", "j.tail.Store(upto + frameAlign)", inJournal, "^TestFullDiskWithRing$|^TestKills$|^TestSlowDisk$"},
	{"the tail in the file is released before the text is written", inJournal,
		"head := j.ring.head().Load()\n", "head := j.ring.head().Load()\n\tj.ring.tail().Store(head)\n", inJournal, "^TestKillAtEveryOperation$"},
	{"the ring takes one frame more than there is room for", inJournal,
		"if j.head+need-j.tail.Load() > limit || j.waiting", "if j.head-j.tail.Load() > limit || j.waiting", inJournal, "^TestFullDiskWithRing$"},
	{"the head is published before the record is copied", inJournal,
		"\tr.put(at, f, body)\n", "\tr.head().Store(head)\n\tr.put(at, f, body)\n",
		inJournal, "^TestHeadComesLast$"},
	{"the fill limit of a level is ignored", inJournal,
		"return r.size / 100 * 75", "return r.size", inJournal, "^TestFullDiskWithRing$"},
	{"nobody waits for a writer that is only behind", inJournal,
		"case j.failing.Load() || need > limit || parts == 0:", "case true:", inJournal, "^TestSlowDisk$"},
	{"who comes late takes the room of those who wait", inJournal,
		"> limit || j.waiting > 0 ||", "> limit ||", inJournal, "^TestWhoWaitsComesFirst$"},
	{"a ring that was removed goes unnoticed", inJournal,
		"\treturn slices.DeleteFunc(names, j.stands)", "\treturn nil", inJournal, "^TestRingIsRemoved$"},
	{"what is in a ring that was removed stays behind", inJournal,
		"next.take(r, r.tail().Load(), head)", "_ = head", inJournal, "^TestRingIsRemoved$"},
	{"a reader of the ring takes the frame before", inJournal,
		"case fr.seq == seq:", "case fr.seq+1 == seq:", inJournal, "^TestFullDiskWithRing$"},

	// Failing disks.
	{"what a failed write left is not cut", inRotation,
		"\t} else if actual > size {\n\t\tif err := f.text.Truncate(size); err != nil {", "\t} else if actual > size {\n\t\tif err := error(nil); err != nil {",
		inRotation, "^(TestSpace|TestEveryOperationFails|TestCutIsTriedAgain)$"},
	{"a drop is not counted", inJournal,
		"f.dropped[line.LevelIndex(m.Level)].Add(1)", "_ = m", inJournal, "^TestFullDisk$|^TestFullDiskWithRing$"},
	{"no record says what was dropped", inJournal,
		"f.appendLost()\n\t\t\t}\n\t\t}\n\t\tj.mu.Unlock()\n\t}\n}\n\n// reserveAhead", "_ = f.lost\n\t\t\t}\n\t\t}\n\t\tj.mu.Unlock()\n\t}\n}\n\n// reserveAhead",
		inJournal, "^TestFullDiskWithRing$"},
	{"a block that failed is not written again", inJournal,
		"free = min(free, f.stuckAt)", "_ = free", inJournal, "^TestFullDiskWithRing$|^TestEveryOperationFails$"},

	// Rotation.
	{"a file grows one byte over its size", inRotation,
		"size+n <= f.rule.Load().MaxBytes", "size+n <= f.rule.Load().MaxBytes+1", inJournal, "^TestSizeToTheByte$"},
	{"a file whose lines come through the ring grows one byte over", inJournal,
		"f.size+size > f.maxBytes.Load()", "f.size+size > f.maxBytes.Load()+1", inJournal, "^TestSizeToTheByte$"},
	{"retention keeps one file too few", inRotation,
		"left > rule.MaxFiles", "left >= rule.MaxFiles", inRotation, "^TestRetain$"},
	{"two rotations in a millisecond get one name", inRotation,
		"err := f.fs.RenameNew(from, to)", "err := f.fs.Rename(from, to)", inRotation, "^TestRotate$|^TestEveryRotationIsKept$|^TestRotationFails$|^TestHookOrder$"},
	{"identities are kept for ever", inRuns,
		"\tt.free = append(t.free, code)\n", "", inJournal, "^TestOwnersGoWithTheirRows$"},
	{"what lines count for runs without records is kept for ever", inTables,
		"\tt.forgetCounted(&gone)\n", "", inJournal, "^TestTalliesEnd$"},
	{"what a sealed file counts for runs without records is kept for ever", inJournal,
		"j.tables.ForgetCounts(x)", "_ = x", inJournal, "^TestTalliesEnd$"},
	{"tallies of files that are gone are taken from saved tables", inTables,
		"\t\t\tt.lost = true\n", "\t\t\tt.lost = false\n", inJournal, "^TestTalliesEnd$"},
	{"a snapshot's identities change under it", inRuns,
		"page.epoch < t.epoch {", "page.epoch > t.epoch {", inJournal, "^TestOwnersGoWithTheirRows$"},
	{"rows of the next segment keep the offsets of the last", inJournal,
		"\tf.size = 0\n", "", inJournal, "^TestRotation$"},

	// Readers and sealed files.
	{"a reader applies records of runs in another order", inJournal,
		"if w.disorders(j, seg, appends) {", "if false {", inJournal, "^TestReaderFindsAFileSealed$"},
	{"a reader keeps the runs of a file that was deleted", inJournal,
		"w.amiss = w.amiss || seg.File == tables.Usage && seg.Last() > 0", "_ = seg", inJournal, "^TestReaderForgetsDeletedRuns$"},
	{"lines that are read before their step are not counted for it", inRuns,
		"delete(t.stray, o.identity.Step)\n\t\t\ts.state.addTally(n)\n", "delete(t.stray, o.identity.Step)\n", inJournal, "^TestReaderSeesLinesBeforeTheirStep$"},
	{"a sidecar that was damaged is believed again", inJournal,
		"j.damaged.Store(seg.Name(), true)", "_ = seg", inQuery, "^TestDamagedWhileOpen$"},
	{"what was found right in a sidecar is not looked at again", "internal/segment",
		"if crc32.Checksum(x.b[e.at:e.at+e.size], castagnoli) != e.crc {", "if _, err := x.section(id); err != nil && e.size > 0 {", "internal/segment", "^TestCheckAllLooksAgain$"},
	{"a sealed file counts nothing for its runs", inTables,
		"\tt.countSealed(x, t.settled, 1)\n\tt.taken", "\tt.taken", inJournal, "^TestKillAtEveryOperation$"},

	// Lines and queries.
	{"the mask is left out of values", inLine,
		"func (e *Encoder) value(b []byte, s string, st *state) []byte {\n\tif st.secrets {", "func (e *Encoder) value(b []byte, s string, st *state) []byte {\n\tif false {",
		inLine, "^TestMasking$"},
	{"a message tells a secret by its code", inLine,
		"m.asked.Load() && !st.secrets && ", "m.asked.Load() && ", inLine, "^TestMessages$"},
	{"values of secret keys are shown", inLine,
		"\treturn b, hidden || st.hide\n", "\treturn b, st.hide\n", inLine, "^TestMasking$"},
	{"times that a sidecar rounds are taken for exact", inQuery,
		"if segment.RoundTime(at) == at {", "if true {", inQuery, "^TestTimesInSteps$"},
	{"a bucket has what a rounded time puts in it", inQuery,
		"|| h.same(told, told+segment.TimeStep-1) {", "|| true {", inQuery, "^TestTimesInSteps$"},
	{"a total counts one too many", inQuery,
		"return Total{N: n, Exact: true}", "return Total{N: n + 1, Exact: true}", inQuery, "^TestReopened$"},
	{"a page repeats the record where the last one ended", inQuery,
		"hi = min(hi, v.Search(past-1))", "hi = min(hi, v.Search(past))", inQuery, "^TestReopened$"},
	{"a page repeats the run where the last one ended", inQuery,
		"return seq < w.Past", "return seq <= w.Past", inQuery, "^TestReopened$"},
	{"what is remembered of a line is taken for all there is to know", inQuery,
		"} else if s.sieve.search && k < n && of[k].message != 0 {", "} else if k < n {", inQuery, "^(FuzzSieve|TestRemembered)$"},
	{"a line of which nothing can be remembered has no values", inQuery,
		"if message == 0 || asked && !valued {", "if message == 0 {", inQuery, "^(FuzzSieve|TestRemembered)$"},
	{"a row that came later is not looked at", inQuery,
		"g.seen < at+len(rows); g.seen++", "g.seen < at+len(rows) && g.seen == g.from; g.seen++", inQuery, "^(TestRemembered|TestRememberedRows)$"},
	{"what is remembered of rows is found for others in their place", inTables,
		"if b.of != v.rows.chunks[n] {", "if b.of == nil {", inTables, "^TestBeside$"},
	{"a snapshot shows what came after it", inQuery,
		"if seg.Last() > s.asOf {", "if false {", inQuery, "^TestReopened$"},
}
