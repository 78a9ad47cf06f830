// Package httpapi serves what a query.Engine knows over HTTP: the lists of the
// integrator's and the API's documents as they describe them, and everything
// else that the library can answer, under one handler for any mount path.
//
//	handler, err := httpapi.New(store.Query(), &httpapi.Options{
//		Store:     store,
//		Authorize: httpapi.Token(os.Getenv("STEPLOG_TOKEN"), httpapi.Principal{ID: "admin", AllProjects: true}),
//	})
//	http.Handle("/api/", http.StripPrefix("/api", handler))
//
// # Paths
//
//   - /logs are runs, steps and lines as the documents list them, /logs/download one
//     of them with its details as base64 of a zip; /logs/{id} is any record, and
//     /logs/{id}/context that record among its neighbours.
//   - /runs/{id}/steps is a run with its steps and everything started below it.
//   - /entries are records of any kind by any filter, /histogram and /facets their
//     counts, /export all of them, and /tail what arrives.
//   - /audit and /audit/{id} are the audit trail, /access the requests.
//   - /files, /files/download, /files/{name}, /files/{name}/content, /settings and
//     /stats are there with [Options.Store]; DELETE of a file and PUT of settings
//     too, unless [Options.ReadOnly] is set.
//   - /healthz says that the process answers, and /openapi.yaml what each of these
//     takes and answers.
//
// # Who may
//
// Nothing but /healthz and /openapi.yaml, which say nothing of the log, is served
// without [Options.Authorize], which decides about each request and [Permission].
// An error is never a yes, whatever it is. A [Principal] sees all projects or those
// it lists: its questions are narrowed before they are asked, so that counts, facets
// and pages speak of these alone. What cannot be narrowed, files and settings, is
// refused to it.
//
// # Answers
//
// Answers are JSON but for downloads, streams and the document of the API,
// /openapi.yaml, which describes each of them. An error is
//
//	{"status":"error","message":"…","param":"…"}
//
// with param for a parameter that is wrong. What is wrong with a request is
// looked for in this order: path and method (404, 405), who asks (401, 403), its
// parameters (400), what it asks for (404). What fails when a download or an export
// has begun ends the connection, so that half of it passes for nothing whole.
//
// # The audit trail
//
// Where the store has an audit trail, what a [Principal] does is in it, with the
// address that the request came from: what is changed or deleted, downloads and
// exports, and what is only looked at where [audit.Options.RecordQueries] asks
// for it.
//
// # Live tails
//
// /tail sends server-sent events, each called line, until who asked leaves or the
// store is closed. http.Server.Shutdown waits for that: give the server a BaseContext,
// and cancel it before. A browser's EventSource goes on by itself when a connection is
// lost, and sends no Authorization: have Authorize look at a cookie for it.
//
// # Limits
//
// A question is given [Options.Timeout], and [Options.MaxQueries] are answered
// at a time; who waits too long for a place gets 503 with Retry-After. Live
// tails are 64 in all and 8 for one principal. Answers are written with a deadline
// for each part, so that somebody who does not read holds nothing for long. Memory
// does not grow with an answer that is streamed.
package httpapi
