package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/steplog/steplog/query"
)

// What zero options mean.
const (
	defaultBatchRecords = 512
	defaultBatchBytes   = 1 << 20
	defaultMaxElapsed   = 5 * time.Minute
	firstBackoff        = 500 * time.Millisecond
	longestBackoff      = 30 * time.Second
)

// maxAnswer is how much of a receiver's answer is read.
const maxAnswer = 1 << 20

// ErrRejected is the cause of a [RejectedError].
var ErrRejected = errors.New("otlp: the receiver rejected records")

// RejectedError says that a receiver did not take records: sending them again
// would not help.
type RejectedError struct {
	// Records is how many it did not take.
	Records int64
	// Status is the HTTP status of its answer, 200 when it took others.
	Status int
	// Message is what it says.
	Message string
}

// Error gives status and message.
func (e *RejectedError) Error() string {
	return fmt.Sprintf("%v: %d, status %d: %s", ErrRejected, e.Records, e.Status, e.Message)
}

// Unwrap returns [ErrRejected].
func (e *RejectedError) Unwrap() error { return ErrRejected }

// Encoding is how requests are encoded.
type Encoding uint8

// The encodings.
const (
	Protobuf Encoding = iota // the default
	JSON
)

// Options are the settings of [Send]. nil and the zero value are ready to use.
type Options struct {
	// Encoding is how requests are encoded.
	Encoding Encoding
	// Header is sent with every request.
	Header http.Header
	// Plain sends requests as they are instead of compressed with gzip.
	Plain bool
	// BatchRecords is how many records a request has at most: 0 means 512.
	BatchRecords int
	// BatchBytes is how long their lines are together at which a request is
	// sent, in bytes: 0 means 1 MiB.
	BatchBytes int
	// MaxElapsed is how long one request is tried again before Send gives up: 0
	// means 5 minutes.
	MaxElapsed time.Duration
	// Client sends the requests: nil means one with a timeout of 30 s.
	Client *http.Client
}

// Send sends the records that seq yields to an OTLP receiver, one batch after
// the other: when it is full, and the last one when seq ends. What a
// query.Engine.Tail yields may so wait for long: give it a context that ends, and
// begin the next one after the last record that was sent. endpoint is the whole URL, usually http://host:4318/v1/logs; one
// that is not http or https, or has no host, is an error before seq is used.
//
// A receiver that cannot be reached, or answers 429, 502, 503 or 504, is asked
// again with growing pauses, or those that it asks for, until
// Options.MaxElapsed; a batch may then arrive twice, and log.record.uid tells.
// Other refusals, whole or in part, end Send with a [*RejectedError]. So does a
// redirect, but for one of status 307 or 308 to the same host, and not from https
// to http: others lose the records on the way, or give them and the headers to
// somebody else. A Client with a CheckRedirect of its own decides itself.
//
// It returns how many records the receiver took, and the first error: of seq,
// of ctx, or of sending.
func Send(ctx context.Context, endpoint string, seq iter.Seq2[query.Record, error], options *Options) (int64, error) {
	if err := checkEndpoint(endpoint); err != nil {
		return 0, err
	}
	var o Options
	if options != nil {
		o = *options
	}
	if o.BatchRecords <= 0 {
		o.BatchRecords = defaultBatchRecords
	}
	if o.BatchBytes <= 0 {
		o.BatchBytes = defaultBatchBytes
	}
	if o.MaxElapsed <= 0 {
		o.MaxElapsed = defaultMaxElapsed
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 30 * time.Second}
	}
	if o.Client.CheckRedirect == nil {
		client := *o.Client
		client.CheckRedirect = checkRedirect
		o.Client = &client
	}
	s := sender{ctx: ctx, endpoint: endpoint, options: o}
	n, err := batches(seq, o.BatchRecords, o.BatchBytes, s.send)
	return n + s.taken, err
}

// checkEndpoint finds what no receiver can have: sending there fails like sending
// to one that is away, and would be tried again until MaxElapsed. What is wrong is
// said without the endpoint, which may hold a password.
func checkEndpoint(endpoint string) error {
	const like = "it is a whole URL, such as http://host:4318/v1/logs"
	u, err := url.Parse(endpoint)
	if err != nil {
		if parse := (*url.Error)(nil); errors.As(err, &parse) {
			err = parse.Err
		}
		return fmt.Errorf("otlp: endpoint: %w: %s", err, like)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("otlp: endpoint: the scheme %.80q is not http or https: %s", u.Scheme, like)
	}
	if u.Host == "" {
		return fmt.Errorf("otlp: endpoint: no host: %s", like)
	}
	return nil
}

// maxRedirects is how many redirects a request follows, as net/http's own.
const maxRedirects = 10

// checkRedirect follows a redirect that is still the same request to the same
// receiver, and takes any other for its answer.
func checkRedirect(r *http.Request, via []*http.Request) error {
	first := via[0].URL
	if r.Method != http.MethodPost || r.URL.Hostname() != first.Hostname() || first.Scheme == "https" && r.URL.Scheme != "https" ||
		len(via) >= maxRedirects {
		return http.ErrUseLastResponse
	}
	return nil
}

// sender is one call of Send.
type sender struct {
	ctx      context.Context // of the call that the sender lives in
	endpoint string
	options  Options
	taken    int64 // of a batch that was taken in part
	body     []byte
}

// send sends one batch until it is taken.
func (s *sender) send(b *batch) error {
	var err error
	kind := "application/x-protobuf"
	if s.options.Encoding == JSON {
		kind = "application/json"
		s.body, err = b.appendJSON(s.body[:0])
	} else {
		s.body = b.appendProtobuf(s.body[:0])
	}
	if err != nil {
		return fmt.Errorf("otlp: encode: %w", err)
	}
	body := s.body
	if !s.options.Plain {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, _ = w.Write(body) // a buffer takes everything
		_ = w.Close()
		body = packed.Bytes()
	}
	began, wait := time.Now(), firstBackoff
	for {
		pause, err := s.try(kind, body, b.count)
		if err == nil || pause < 0 {
			return err
		}
		if pause == 0 {
			pause = wait/2 + rand.N(wait/2) // not in step with others that wait
			wait = min(2*wait, longestBackoff)
		}
		if pause > s.options.MaxElapsed-time.Since(began) { // a sum may be more than a Duration holds
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			timer.Stop()
			return s.ctx.Err()
		}
	}
}

// try sends a request once. With an error it says how long to wait before the
// next try: 0 for the usual, below 0 for never.
func (s *sender) try(kind string, body []byte, count int) (time.Duration, error) {
	r, err := http.NewRequestWithContext(s.ctx, http.MethodPost, s.endpoint, bytes.NewReader(body))
	if err != nil {
		return -1, fmt.Errorf("otlp: %w", err)
	}
	for name, values := range s.options.Header {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", kind)
	if !s.options.Plain {
		r.Header.Set("Content-Encoding", "gzip")
	}
	answer, err := s.options.Client.Do(r)
	if err != nil {
		if s.ctx.Err() != nil {
			return -1, s.ctx.Err()
		}
		return 0, fmt.Errorf("otlp: %w", err)
	}
	defer answer.Body.Close() // only read
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	switch answer.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return retryAfter(answer.Header), fmt.Errorf("otlp: the receiver answered %s", answer.Status)
	}
	if to := answer.Header.Get("Location"); answer.StatusCode/100 == 3 && to != "" {
		text = []byte("redirected to " + to)
	}
	posted := answer.Request == nil || answer.Request.Method == http.MethodPost // else a redirect lost the records
	if answer.StatusCode/100 != 2 || !posted {
		return -1, &RejectedError{Records: int64(count), Status: answer.StatusCode, Message: printable(text)}
	}
	if err != nil {
		return 0, fmt.Errorf("otlp: read answer: %w", err)
	}
	rejected, message := partialSuccess(s.options.Encoding, text)
	if rejected == 0 {
		return 0, nil
	}
	rejected = min(rejected, int64(count))
	s.taken += int64(count) - rejected
	return -1, &RejectedError{Records: rejected, Status: answer.StatusCode, Message: message}
}

// retryAfter returns how long a receiver wants to be left alone, in seconds or
// as a date.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	const most = uint64(math.MaxInt64 / time.Second)
	if n, err := strconv.ParseUint(text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) { // the largest then
		return time.Duration(min(n, most)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// printable is what a receiver says, without what a terminal would act on.
func printable(text []byte) string {
	return strconv.QuoteToGraphic(string(text[:min(len(text), 200)]))
}

// partialSuccess reads an ExportLogsServiceResponse. What cannot be read says
// nothing against a status of 200.
func partialSuccess(e Encoding, text []byte) (rejected int64, message string) {
	if e == JSON {
		var answer struct {
			PartialSuccess struct {
				Rejected json.Number `json:"rejectedLogRecords"`
				Message  string      `json:"errorMessage"`
			} `json:"partialSuccess"`
		}
		if json.Unmarshal(text, &answer) != nil {
			return 0, ""
		}
		n, _ := answer.PartialSuccess.Rejected.Int64()
		return max(0, n), printable([]byte(answer.PartialSuccess.Message))
	}
	eachField(text, func(field int, _ uint64, partial []byte) {
		if field != 1 { // partial_success
			return
		}
		eachField(partial, func(field int, n uint64, value []byte) {
			switch field {
			case 1: // rejected_log_records
				rejected = max(0, int64(n))
			case 2: // error_message
				message = printable(value)
			}
		})
	})
	return rejected, message
}

// eachField calls do for the fields of a protobuf message, until one cannot be
// read.
func eachField(b []byte, do func(field int, number uint64, value []byte)) {
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 || key>>3 == 0 || key>>3 > 1<<29 {
			return
		}
		b = b[n:]
		switch key & 7 {
		case wireVarint:
			v, n := binary.Uvarint(b)
			if n <= 0 {
				return
			}
			do(int(key>>3), v, nil)
			b = b[n:]
		case wireFixed64:
			if len(b) < 8 {
				return
			}
			b = b[8:]
		case wireBytes:
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return
			}
			do(int(key>>3), 0, b[n:n+int(size)])
			b = b[n+int(size):]
		default:
			return
		}
	}
}
