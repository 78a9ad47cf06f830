module github.com/steplog/steplog/ci/requirements

go 1.26.0
