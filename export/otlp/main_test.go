package otlp_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/steplog/steplog/internal/leak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, leak.Options()...) }
