package main

import (
	"io"
	"path/filepath"

	"github.com/DeRuina/timberjack"
	plog "github.com/phuslu/log"
	"go.uber.org/zap/zapcore"
	"gopkg.in/natefinch/lumberjack.v2"
)

// candidate is one way to log, and what is done with it in a round.
type candidate struct {
	name string
	// open prepares a logger that writes below dir.
	open func(dir string, o setting) (*target, error)
	setting
	// text is whether text is left behind, to be checked.
	text bool
	// times is how many calls stand for one, 0 for one: what takes nanoseconds
	// has to be done often to be measured.
	times int
	// callers is how many goroutines call at once, 0 for one.
	callers int
	// alone has the calls made on a thread that runs nothing else, whose own
	// time is then known.
	alone bool
	// latency has every call timed; at says how many are made in a second, 0
	// for as many as can be.
	latency bool
	at      int
}

// setting is what candidates have in common.
type setting struct {
	// bind is whether the eight identifiers are bound before the first call.
	bind bool
	// size is at how many bytes every rotating writer starts a new file: 0 for
	// one that no round reaches.
	size int64
}

const (
	roundBytes    = 1 << 30  // no rotation falls into a round
	rotatingBytes = 10 << 20 // several fall into each
)

func (s setting) bytes() int64 {
	if s.size == 0 {
		return roundBytes
	}
	return s.size
}

func (s setting) megabytes() int { return int(s.bytes() >> 20) }

// target is an open candidate. log makes the n-th call, or, for the candidates
// that measure disabled calls, one that is not recorded. sync makes durable
// what was logged, within the measured time; it is nil where the library has
// nothing of the kind. close ends everything and returns when the text is whole.
type target struct {
	log   func(n int, s *sample)
	sync  func() error
	close func() error
	// read returns the text in the order of writing, after close.
	read func() (io.ReadCloser, error)
	// mode is the mode in which steplog works, empty for others.
	mode string
}

// Names that the tables refer to.
const (
	zapNowhere      = "zap → nowhere"
	zapLumberjack   = "zap → lumberjack"
	phusluFile      = "phuslu → FileWriter"
	zerologFile     = "zerolog → file"
	zapDisabled     = "zap, disabled"
	stepDisk        = "steplog"
	stepZap         = "steplog, Zap()"
	stepSecrets     = "steplog, 16 secrets"
	stepClosed      = "steplog, closed and compressed"
	stepDisabled    = "steplog, disabled"
	stepAlone       = "steplog, caller's thread"
	stepMemory      = "steplog in memory, caller's thread"
	stepShm         = "steplog, ring on tmpfs"
	stepTwo         = "steplog, 2 callers"
	bound           = ", bound"
	fullSpeed       = ", full speed"
	paced           = ", 200,000 a second"
	callsPerSecond  = 200_000
	disabledPerCall = 20
)

// candidates in the order in which they run: what is compared stands together.
var candidates = []candidate{
	{name: zapNowhere, open: openZapNowhere},
	{name: stepDisk, text: true, open: openSteplog},
	{name: stepZap, text: true, open: openSteplogZap},
	{name: zapLumberjack, text: true, open: openZapLumberjack},
	{name: phusluFile, text: true, open: openPhuslu},
	{name: zerologFile, text: true, open: openZerolog},

	{name: zapNowhere + bound, setting: setting{bind: true}, open: openZapNowhere},
	{name: stepDisk + bound, setting: setting{bind: true}, text: true, open: openSteplog},
	{name: stepZap + bound, setting: setting{bind: true}, text: true, open: openSteplogZap},
	{name: stepSecrets + bound, setting: setting{bind: true}, text: true, open: openSteplogSecrets},
	{name: stepTwo + bound, setting: setting{bind: true}, text: true, open: openSteplog, callers: 2},
	{name: stepClosed + bound, setting: setting{bind: true}, text: true, open: openSteplogClosed},
	{name: zapLumberjack + bound, setting: setting{bind: true}, text: true, open: openZapLumberjack},
	{name: phusluFile + bound, setting: setting{bind: true}, text: true, open: openPhuslu},
	{name: zerologFile + bound, setting: setting{bind: true}, text: true, open: openZerolog},
	{name: "zap → 256 KiB buffer → lumberjack" + bound, setting: setting{bind: true}, text: true, open: openZapBuffered},
	{name: "zap → timberjack" + bound, setting: setting{bind: true}, text: true, open: openZapTimberjack},
	{name: "slog → lumberjack" + bound, setting: setting{bind: true}, text: true, open: openSlog},
	{name: "phuslu → AsyncWriter" + bound, setting: setting{bind: true}, text: true, open: openPhusluAsync},

	{name: zapDisabled, setting: setting{bind: true}, open: openZapDisabled, times: disabledPerCall},
	{name: stepDisabled, setting: setting{bind: true}, open: openSteplogDisabled, times: disabledPerCall},

	{name: stepAlone, setting: setting{bind: true}, text: true, open: openSteplog, alone: true},
	{name: stepMemory, setting: setting{bind: true}, text: true, open: openSteplogMemory, alone: true},
	{name: stepShm, setting: setting{bind: true}, text: true, open: openSteplogShm},

	{name: zapNowhere + fullSpeed, setting: setting{bind: true, size: rotatingBytes}, open: openZapNowhere, latency: true},
	{name: stepDisk + fullSpeed, setting: setting{bind: true, size: rotatingBytes}, text: true, open: openSteplog, latency: true},
	{name: zapLumberjack + fullSpeed, setting: setting{bind: true, size: rotatingBytes}, text: true, open: openZapLumberjack, latency: true},
	{name: zapNowhere + paced, setting: setting{bind: true, size: rotatingBytes}, open: openZapNowhere, latency: true, at: callsPerSecond},
	{name: stepDisk + paced, setting: setting{bind: true, size: rotatingBytes}, text: true, open: openSteplog, latency: true, at: callsPerSecond},
	{name: zapLumberjack + paced, setting: setting{bind: true, size: rotatingBytes}, text: true, open: openZapLumberjack, latency: true, at: callsPerSecond},
}

func openZapNowhere(_ string, o setting) (*target, error) {
	return overZap(zapcore.AddSync(io.Discard), zapcore.InfoLevel, o, nil, nil), nil
}

func openZapDisabled(_ string, o setting) (*target, error) {
	return overZap(zapcore.AddSync(io.Discard), zapcore.WarnLevel, o, nil, nil), nil
}

func openZapLumberjack(dir string, o setting) (*target, error) {
	w := &lumberjack.Logger{Filename: filepath.Join(dir, "out.log"), MaxSize: o.megabytes()}
	return overZap(zapcore.AddSync(w), zapcore.InfoLevel, o, w.Close, readGlob(dir, "out*.log")), nil
}

func openZapBuffered(dir string, o setting) (*target, error) {
	w := &lumberjack.Logger{Filename: filepath.Join(dir, "out.log"), MaxSize: o.megabytes()}
	b := &zapcore.BufferedWriteSyncer{WS: zapcore.AddSync(w), Size: 256 << 10}
	end := func() error {
		if err := b.Stop(); err != nil {
			return err
		}
		return w.Close()
	}
	return overZap(b, zapcore.InfoLevel, o, end, readGlob(dir, "out*.log")), nil
}

func openZapTimberjack(dir string, o setting) (*target, error) {
	w := &timberjack.Logger{Filename: filepath.Join(dir, "out.log"), MaxSize: o.megabytes()}
	return overZap(zapcore.AddSync(w), zapcore.InfoLevel, o, w.Close, readGlob(dir, "out*.log")), nil
}

func openPhuslu(dir string, o setting) (*target, error) {
	w := &plog.FileWriter{Filename: filepath.Join(dir, "out.log"), MaxSize: o.bytes()}
	return overPhuslu(dir, o, w, w.Close), nil
}

func openPhusluAsync(dir string, o setting) (*target, error) {
	w := &plog.AsyncWriter{ChannelSize: 4096, Writer: &plog.FileWriter{Filename: filepath.Join(dir, "out.log"), MaxSize: o.bytes()}}
	return overPhuslu(dir, o, w, w.Close), nil
}
