// Package s3 is an archive.Bucket in object storage that speaks S3, over
// github.com/minio/minio-go. It is a module of its own, so that only those who
// use it get its dependencies.
//
//	client, err := minio.New("s3.eu-central-1.amazonaws.com", &minio.Options{Creds: credentials.NewEnvAWS(), Secure: true})
//	bucket, err := s3.New(client, "logs")
//	_, err = archive.Files(ctx, bucket, store.Files(), "edge-1/")
package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/minio/minio-go/v7"

	"github.com/steplog/steplog/export/archive"
)

// partBytes is how long the parts of an upload of unknown length are: 10,000 of
// them, which S3 allows, are 160 GB, and one is held in memory.
const partBytes = 16 << 20

// ErrBucket is returned by [New] without a client or a bucket's name.
var ErrBucket = errors.New("s3: no client or no bucket")

// Bucket holds objects in one bucket. Create one with [New]; it is safe for
// concurrent use.
type Bucket struct {
	client *minio.Client
	name   string
}

// New returns the bucket with a name, which must be there. It asks nothing yet.
func New(client *minio.Client, name string) (*Bucket, error) {
	if client == nil || name == "" {
		return nil, ErrBucket
	}
	return &Bucket{client, name}, nil
}

// Put stores an object, in parts when it is long. An upload that fails leaves no
// object.
func (b *Bucket) Put(ctx context.Context, name string, r io.Reader) error {
	if err := archive.CheckName(name); err != nil {
		return err
	}
	r = broken{r}
	// An empty object has to say so: a body of unknown length is sent in parts,
	// and there would be none.
	var first [1]byte
	n, err := io.ReadFull(r, first[:])
	length := int64(-1)
	if err == io.EOF {
		length = 0
	} else if err != nil {
		return err
	}
	_, err = b.client.PutObject(ctx, b.name, name, io.MultiReader(bytes.NewReader(first[:n]), r), length,
		minio.PutObjectOptions{PartSize: partBytes, ContentType: "application/octet-stream"})
	return err
}

// broken is a reader whose errors are not those that the client takes for an end: it
// would store what came before io.ErrUnexpectedEOF as the whole object.
type broken struct{ r io.Reader }

// Read wraps each error but the end.
func (b broken) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("s3: read: %w", err)
	}
	return n, err
}

// Get opens an object.
func (b *Bucket) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := archive.CheckName(name); err != nil {
		return nil, err
	}
	object, err := b.client.GetObject(ctx, b.name, name, minio.GetObjectOptions{})
	if err != nil {
		return nil, found(name, err)
	}
	if _, err := object.Stat(); err != nil {
		return nil, errors.Join(found(name, err), object.Close())
	}
	return object, nil
}

// found says in the words of package archive that an object is not there.
func found(name string, err error) error {
	if minio.ToErrorResponse(err).Code == "NoSuchKey" {
		return fmt.Errorf("%w: %s", archive.ErrNotFound, name)
	}
	return err
}

// List yields the objects whose names begin with prefix.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[archive.Object, error] {
	return func(yield func(archive.Object, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for o := range b.client.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
			if o.Err != nil {
				yield(archive.Object{}, o.Err)
				return
			}
			if !yield(archive.Object{Name: o.Key, Bytes: o.Size, Changed: o.LastModified}, nil) {
				return
			}
		}
	}
}

// Delete deletes an object.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	if err := archive.CheckName(name); err != nil {
		return err
	}
	return b.client.RemoveObject(ctx, b.name, name, minio.RemoveObjectOptions{})
}
