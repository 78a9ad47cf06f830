package s3

import (
	"bytes"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/export/archive"
	"github.com/steplog/steplog/export/archive/archivetest"
	"github.com/steplog/steplog/export/archive/s3"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// open returns a bucket on a server of its own.
func open(t *testing.T) *s3.Bucket {
	t.Helper()
	// Over TLS, as in earnest: without it the client signs its parts in a form
	// that this server stores instead of reading it.
	server := httptest.NewTLSServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(server.Close)
	client, err := minio.New(strings.TrimPrefix(server.URL, "https://"), &minio.Options{
		Creds: credentials.NewStaticV4("key", "secret", ""), Region: "eu-central-1", Secure: true, Transport: server.Client().Transport,
	})
	require.NoError(t, err)
	require.NoError(t, client.MakeBucket(t.Context(), "logs", minio.MakeBucketOptions{}))
	bucket, err := s3.New(client, "logs")
	require.NoError(t, err)
	return bucket
}

func TestBucket(t *testing.T) { archivetest.Run(t, open(t)) }

func TestNew(t *testing.T) {
	_, err := s3.New(nil, "logs")
	require.ErrorIs(t, err, s3.ErrBucket)
}

func TestLogAndLarge(t *testing.T) {
	bucket := open(t)
	store := logger.OpenMemory(nil)
	defer store.Close()
	_, run := store.Server("edge-1").Service("orders").Operation("sync").Start(t.Context())
	run.End(nil)
	page, err := store.Query().MainLogs(t.Context(), query.RunFilter{}, query.Paging{})
	require.NoError(t, err)
	id := page.Items[0].ID
	name, err := archive.Log(t.Context(), bucket, store.Query(), id, "runs/")
	require.NoError(t, err)
	require.NoError(t, store.MarkArchived(t.Context(), id))
	r, err := bucket.Get(t.Context(), name)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.NoError(t, bucket.Put(t.Context(), "parts", bytes.NewReader(make([]byte, 40<<20))), "in three parts")
	for o, err := range bucket.List(t.Context(), "parts") {
		require.NoError(t, err)
		require.EqualValues(t, 40<<20, o.Bytes)
	}
}
