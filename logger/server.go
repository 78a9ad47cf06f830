package logger

import (
	"github.com/steplog/steplog/internal/line"
)

// NameOption is an option of [Store.Server] and [Server.Service]. Each is an
// [OperationOption] and a [StepOption] too.
type NameOption interface {
	applyName(*names)
	OperationOption
	StepOption
}

// OperationOption is an option of [Service.Operation].
type OperationOption interface{ applyOperation(*operationSettings) }

type names struct{ display string }

type operationSettings struct {
	names
	parent string
}

type displayName string

func (d displayName) applyName(n *names)                  { n.display = string(d) }
func (d displayName) applyOperation(o *operationSettings) { o.display = string(d) }
func (d displayName) applyStep(s *stepSettings)           { s.display = string(d) }

// DisplayName sets the name that people see, beside the id that settings and
// filters use: of a server, a service, an operation or a step's action.
func DisplayName(name string) NameOption { return displayName(name) }

type parentFlow string

func (p parentFlow) applyOperation(o *operationSettings) { o.parent = string(p) }

// ParentFlow says which flow the operation belongs to, by its id. Without it a
// run that was started inside a step of another names that run's operation.
func ParentFlow(id string) OperationOption { return parentFlow(id) }

func nameOf(options []NameOption) string {
	var n names
	for _, o := range options {
		if o != nil {
			o.applyName(&n)
		}
	}
	return n.display
}

// Server is a process, or what the host calls one. It logs to application.log.
// It is immutable and safe for concurrent use. A nil Server does nothing.
type Server struct {
	*Logger
	id line.Identity
}

// Server returns the server with a name. Calls with the same name return equal
// servers; the folder holds no list of them.
//
// In an identifier, of whatever it is, each byte that is not UTF-8 becomes U+FFFD,
// and one over 1 KiB is shortened to its beginning and a hash. Filters and the
// scopes of [Store.Levels] know it as its records have it; [Store.EndRun] and
// [Operation.Resume] take either form.
func (s *Store) Server(name string, options ...NameOption) *Server {
	if s.none() {
		return &Server{Logger: silent}
	}
	id := line.Identity{Server: line.CutID(name), ServerName: line.CutID(nameOf(options))}
	return &Server{Logger: s.logger(id), id: id}
}

// Service returns the service with a name on this server.
func (s *Server) Service(name string, options ...NameOption) *Service {
	store := s.logger().home()
	if store == nil {
		return &Service{Logger: silent}
	}
	id := s.id
	id.Service, id.ServiceName = line.CutID(name), line.CutID(nameOf(options))
	return &Service{Logger: store.logger(id), id: id}
}

// Service is a group of operations on a server. It logs to application.log. It
// is immutable and safe for concurrent use. A nil Service does nothing.
type Service struct {
	*Logger
	id line.Identity
}

// Operation returns the operation, that is the flow's definition, with an id.
func (s *Service) Operation(id string, options ...OperationOption) *Operation {
	store := s.logger().home()
	if store == nil {
		return &Operation{Logger: silent}
	}
	var set operationSettings
	for _, o := range options {
		if o != nil {
			o.applyOperation(&set)
		}
	}
	whole := s.id
	whole.Operation, whole.OperationName = line.CutID(id), line.CutID(set.display)
	whole.ParentOperation = line.CutID(set.parent)
	return &Operation{Logger: store.logger(whole), id: whole}
}

// Operation is the definition of a flow; each execution of it is a [Run]. What
// it logs itself goes to application.log. It is immutable and safe for
// concurrent use. A nil Operation does nothing, and its runs neither.
type Operation struct {
	*Logger
	id line.Identity
}
