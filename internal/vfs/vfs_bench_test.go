package vfs_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/steplog/steplog/internal/vfs"
)

// What does it cost to append one line through vfs, on the system and in
// memory? A file is begun anew every 16 MiB.
func BenchmarkAppend(b *testing.B) {
	line := bytes.Repeat([]byte("x"), 338)
	for name, fsys := range map[string]vfs.FS{"os": vfs.OS(), "mem": vfs.NewMem()} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			if err := fsys.MkdirAll(dir, 0o700); err != nil {
				b.Fatal(err)
			}
			f, err := fsys.OpenFile(filepath.Join(dir, "a"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			b.ReportAllocs()
			b.SetBytes(int64(len(line)))
			n := 0
			for b.Loop() {
				if _, err := f.Write(line); err != nil {
					b.Fatal(err)
				}
				if n += len(line); n > 16<<20 {
					n = 0
					if err := f.Truncate(0); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// What does a power cut cost with a mapped ring of 256 KiB and a megabyte of
// text that is not synced?
func BenchmarkCrash(b *testing.B) {
	m := vfs.NewMem()
	ring, err := m.OpenFile("/ring", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	text, err := m.OpenFile("/text", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	if err := ring.Allocate(256<<10, false); err != nil {
		b.Fatal(err)
	}
	mapping, err := m.Map(ring, 256<<10)
	if err != nil {
		b.Fatal(err)
	}
	copy(mapping.Bytes(), bytes.Repeat([]byte("x"), 256<<10))
	if _, err := text.Write(bytes.Repeat([]byte("x"), 1<<20)); err != nil {
		b.Fatal(err)
	}
	rng := newRand(1)
	b.ReportAllocs()
	for b.Loop() {
		m.Crash(rng, vfs.CrashOptions{})
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cuts/s")
}
