package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query/httpapi"
)

// serve serves a folder until the input ends. It prints its address once all
// closed files are sealed.
func serve(dir, profile string) (err error) {
	store, err := logger.Open(dir, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for {
		closed, err := filepath.Glob(filepath.Join(dir, "*-20*.log"))
		if err != nil {
			return err
		}
		if len(closed) == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	api, err := httpapi.New(store.Query(), &httpapi.Options{Store: store,
		Authorize: httpapi.LoopbackOnly(), OnProblem: func(err error) { fmt.Fprintln(os.Stderr, "problem:", err) }})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if profile != "" {
		file, err := os.Create(profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer func() {
			pprof.StopCPUProfile()
			err = errors.Join(err, file.Close())
		}()
	}
	server := &http.Server{Handler: api, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	fmt.Println("http://" + listener.Addr().String())
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := server.Shutdown(context.Background()); err != nil {
		return err
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
