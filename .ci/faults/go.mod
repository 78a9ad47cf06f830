module github.com/steplog/steplog/ci/faults

go 1.26.0
