package runs

import "github.com/steplog/steplog/internal/wire"

// wireReader takes the parts of what is kept of runs and saved.
type wireReader struct{ wire.Reader }

func readWire(b []byte) wireReader { return wireReader{wire.Reader{B: b}} }
