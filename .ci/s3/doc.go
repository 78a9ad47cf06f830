// Package s3 runs the bucket of export/archive/s3 against an S3 server.
package s3
