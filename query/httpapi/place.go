package httpapi

import (
	"context"
	"net/http"
	"time"
)

// patience is how long a request waits for a place.
const patience = time.Second

// places limits how many requests are worked on at a time.
type places struct{ taken chan struct{} }

func newPlaces(n int) places { return places{make(chan struct{}, n)} }

// take waits for a place until patience or the context ends.
func (p *places) take(ctx context.Context) error {
	select {
	case p.taken <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case p.taken <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return &failure{status: http.StatusServiceUnavailable, retry: 1, message: "Too many requests are being answered; try again soon."}
	}
}

func (p *places) give() { <-p.taken }
