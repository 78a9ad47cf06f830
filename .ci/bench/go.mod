module github.com/steplog/steplog/ci/bench

go 1.26.0

replace github.com/steplog/steplog => ../..

require (
	github.com/DeRuina/timberjack v1.4.9
	github.com/phuslu/log v1.0.121
	github.com/rs/zerolog v1.35.1
	github.com/steplog/steplog v0.0.0
	go.uber.org/zap v1.28.0
	gopkg.in/natefinch/lumberjack.v2 v2.2.1
)

require (
	github.com/google/uuid v1.6.0 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/mattn/go-colorable v0.1.14 // indirect
	github.com/mattn/go-isatty v0.0.20 // indirect
	go.uber.org/multierr v1.10.0 // indirect
	golang.org/x/mod v0.42.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
