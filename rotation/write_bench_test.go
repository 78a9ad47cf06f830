package rotation_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/steplog/steplog/rotation"
)

// What does a File add to lumberjack's own write, one record at a time and in
// blocks of 64 KiB?
func BenchmarkWrite(b *testing.B) {
	line := []byte(strings.Repeat("x", 337) + "\n")
	block := []byte(strings.Repeat(string(line), 64<<10/len(line)))
	for _, p := range []struct {
		name string
		data []byte
	}{{"record", line}, {"block", block}} {
		b.Run(p.name+" lumberjack", func(b *testing.B) {
			l := &lumberjack.Logger{Filename: filepath.Join(b.TempDir(), "plain.log"), MaxSize: 100, MaxBackups: 2}
			b.SetBytes(int64(len(p.data)))
			b.ReportAllocs()
			for b.Loop() {
				_, err := l.Write(p.data)
				require.NoError(b, err)
			}
			require.NoError(b, l.Close())
		})
		b.Run(p.name+" File", func(b *testing.B) {
			f, err := rotation.Open(filepath.Join(b.TempDir(), "user.log"), &rotation.Options{
				Rule: rotation.Rule{MaxFiles: 2, Compression: rotation.None},
			})
			require.NoError(b, err)
			b.SetBytes(int64(len(p.data)))
			b.ReportAllocs()
			for b.Loop() {
				_, err := f.Write(p.data)
				require.NoError(b, err)
			}
			require.NoError(b, f.Close())
		})
	}
}
