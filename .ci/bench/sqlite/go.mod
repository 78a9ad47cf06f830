module github.com/steplog/steplog/ci/bench/sqlite

go 1.26.0

replace github.com/steplog/steplog/ci/bench => ..

replace github.com/steplog/steplog => ../../..

require (
	github.com/steplog/steplog/ci/bench v0.0.0
	modernc.org/sqlite v1.61.1
)

require (
	github.com/dustin/go-humanize v1.1.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	golang.org/x/sys v0.49.0 // indirect
	modernc.org/libc v1.79.0 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.12.1 // indirect
)
