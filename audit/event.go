package audit

import (
	"fmt"
	"slices"
	"strings"
)

// Event is something that can happen and be recorded. Two events with one name
// are one event.
type Event struct {
	// Name identifies it: lower-case words joined by dots, such as
	// "flow.updated"; ^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$.
	Name string
	// Module is the part of the system it happens in, such as "flow".
	Module string
	// Verb is its type.
	Verb Verb
	// Title is what people read, such as "Flow Updated". It is stored with each
	// record.
	Title string
	// Security marks what has to do with log-ins and access: its records have the
	// topic security, those of other events the topic audit.
	Security bool
}

// Verb is the type of an event.
type Verb string

// The verbs.
const (
	VerbCreate Verb = "create"
	VerbUpdate Verb = "update"
	VerbDelete Verb = "delete"
	// VerbQuery is for looking at something. Such records are kept only with
	// [Options.RecordQueries].
	VerbQuery Verb = "query"
	// VerbOther is for the rest: start, stop, publish, log in.
	VerbOther Verb = "other"
)

func (v Verb) known() bool {
	return slices.Contains([]Verb{VerbCreate, VerbUpdate, VerbDelete, VerbQuery, VerbOther}, v)
}

// The ready-made events. They are values to be used as they are.
var (
	ConfigUpdated = Event{Name: "config.updated", Module: "config", Verb: VerbUpdate, Title: "Configuration Updated"}
	ConfigDeleted = Event{Name: "config.deleted", Module: "config", Verb: VerbDelete, Title: "Configuration Deleted"}

	ACLRuleCreated          = Event{Name: "acl.rule_created", Module: "acl", Verb: VerbCreate, Title: "ACL Rule Created", Security: true}
	ACLRuleUpdated          = Event{Name: "acl.rule_updated", Module: "acl", Verb: VerbUpdate, Title: "ACL Rule Updated", Security: true}
	ComponentAccessAssigned = Event{Name: "component.access_assigned", Module: "component", Verb: VerbUpdate, Title: "Component Access Assigned", Security: true}

	FlowCreated = Event{Name: "flow.created", Module: "flow", Verb: VerbCreate, Title: "Flow Created"}
	FlowUpdated = Event{Name: "flow.updated", Module: "flow", Verb: VerbUpdate, Title: "Flow Updated"}
	FlowStarted = Event{Name: "flow.started", Module: "flow", Verb: VerbOther, Title: "Flow Started"}
	FlowStopped = Event{Name: "flow.stopped", Module: "flow", Verb: VerbOther, Title: "Flow Stopped"}
	FlowDeleted = Event{Name: "flow.deleted", Module: "flow", Verb: VerbDelete, Title: "Flow Deleted"}
	FlowCloned  = Event{Name: "flow.cloned", Module: "flow", Verb: VerbCreate, Title: "Flow Cloned"}

	TemplateCreated          = Event{Name: "template.created", Module: "template", Verb: VerbCreate, Title: "Integration Template Created"}
	TemplateUpdated          = Event{Name: "template.updated", Module: "template", Verb: VerbUpdate, Title: "Integration Template Updated"}
	TemplatePublished        = Event{Name: "template.published", Module: "template", Verb: VerbOther, Title: "Integration Template Published"}
	TemplatePublishedUpdated = Event{Name: "template.published_updated", Module: "template", Verb: VerbUpdate, Title: "Published Integration Template Updated"}
	TemplateDeleted          = Event{Name: "template.deleted", Module: "template", Verb: VerbDelete, Title: "Integration Template Deleted"}

	TemplateTestStarted = Event{Name: "template_test.started", Module: "template_test", Verb: VerbOther, Title: "Integration Template Test Started"}
	TemplateTestStopped = Event{Name: "template_test.stopped", Module: "template_test", Verb: VerbOther, Title: "Integration Template Test Stopped"}
	TemplateTestDeleted = Event{Name: "template_test.deleted", Module: "template_test", Verb: VerbDelete, Title: "Integration Template Test Deleted"}

	ConnectorInstalled   = Event{Name: "connector.installed", Module: "connector", Verb: VerbCreate, Title: "Connector Installed"}
	ConnectorUpdated     = Event{Name: "connector.updated", Module: "connector", Verb: VerbUpdate, Title: "Connector Updated"}
	ConnectorUninstalled = Event{Name: "connector.uninstalled", Module: "connector", Verb: VerbDelete, Title: "Connector Uninstalled"}

	UserCreated         = Event{Name: "user.created", Module: "user", Verb: VerbCreate, Title: "User Created"}
	UserUpdated         = Event{Name: "user.updated", Module: "user", Verb: VerbUpdate, Title: "User Updated"}
	UserDeleted         = Event{Name: "user.deleted", Module: "user", Verb: VerbDelete, Title: "User Deleted"}
	UserLoggedIn        = Event{Name: "user.logged_in", Module: "user", Verb: VerbOther, Title: "User Logged In", Security: true}
	UserLoginFailed     = Event{Name: "user.login_failed", Module: "user", Verb: VerbOther, Title: "Login Failed", Security: true}
	UserPasswordChanged = Event{Name: "user.password_changed", Module: "user", Verb: VerbUpdate, Title: "Password Changed", Security: true}
)

// The events of the library's own acts.
var (
	LogViewed      = Event{Name: "steplog.log.viewed", Module: "log", Verb: VerbQuery, Title: "Log Viewed"}
	LogDownloaded  = Event{Name: "steplog.log.downloaded", Module: "log", Verb: VerbOther, Title: "Log Downloaded"}
	LogDeleted     = Event{Name: "steplog.log.deleted", Module: "log", Verb: VerbDelete, Title: "Log Deleted"}
	LogExported    = Event{Name: "steplog.log.exported", Module: "log", Verb: VerbOther, Title: "Log Exported"}
	LevelChanged   = Event{Name: "steplog.log.level_changed", Module: "log", Verb: VerbUpdate, Title: "Log Level Changed"}
	CaptureToggled = Event{Name: "steplog.log.capture_toggled", Module: "log", Verb: VerbUpdate, Title: "Log Capture Switched"}

	RetentionChanged = Event{Name: "steplog.retention.changed", Module: "retention", Verb: VerbUpdate, Title: "Retention Changed"}
	SegmentDeleted   = Event{Name: "steplog.retention.deleted_segment", Module: "retention", Verb: VerbDelete, Title: "Log Segment Deleted"}

	HoldPlaced   = Event{Name: "steplog.hold.placed", Module: "hold", Verb: VerbCreate, Title: "Legal Hold Placed"}
	HoldReleased = Event{Name: "steplog.hold.released", Module: "hold", Verb: VerbDelete, Title: "Legal Hold Released"}

	TrailOpened    = Event{Name: "steplog.audit.opened", Module: "audit", Verb: VerbOther, Title: "Audit Trail Opened"}
	TrailRecovered = Event{Name: "steplog.audit.recovered", Module: "audit", Verb: VerbOther, Title: "Audit Trail Recovered"}
)

// ownPrefix begins the names of the library's own events; a host's may not.
const ownPrefix = "steplog."

// maxEventText bounds the texts of an event, in bytes.
const maxEventText = 128

// Catalogue returns the ready-made events and those of the library, by name.
func Catalogue() []Event {
	all := []Event{
		ConfigUpdated, ConfigDeleted,
		ACLRuleCreated, ACLRuleUpdated, ComponentAccessAssigned,
		FlowCreated, FlowUpdated, FlowStarted, FlowStopped, FlowDeleted, FlowCloned,
		TemplateCreated, TemplateUpdated, TemplatePublished, TemplatePublishedUpdated, TemplateDeleted,
		TemplateTestStarted, TemplateTestStopped, TemplateTestDeleted,
		ConnectorInstalled, ConnectorUpdated, ConnectorUninstalled,
		UserCreated, UserUpdated, UserDeleted, UserLoggedIn, UserLoginFailed, UserPasswordChanged,
		LogViewed, LogDownloaded, LogDeleted, LogExported, LevelChanged, CaptureToggled,
		RetentionChanged, SegmentDeleted, HoldPlaced, HoldReleased, TrailOpened, TrailRecovered,
	}
	slices.SortFunc(all, func(a, b Event) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// LoginEvents are the events of a log of log-ins: who logged in or failed to,
// and who changed a password.
func LoginEvents() []Event { return []Event{UserLoggedIn, UserLoginFailed, UserPasswordChanged} }

// catalogue is the events that a recorder takes, by name.
type catalogue map[string]Event

func newCatalogue(hosts []Event) (catalogue, error) {
	c := catalogue{}
	for _, e := range Catalogue() {
		c[e.Name] = e
	}
	for _, e := range hosts {
		switch _, taken := c[e.Name]; {
		case !validEvent(e.Name):
			return nil, fmt.Errorf("%w: the name %.80q is not words joined by dots", ErrEvent, e.Name)
		case strings.HasPrefix(e.Name, ownPrefix):
			return nil, fmt.Errorf("%w: %s: the prefix %q is the library's", ErrEvent, e.Name, ownPrefix)
		case taken:
			return nil, fmt.Errorf("%w: %s is there already", ErrEvent, e.Name)
		case !e.Verb.known():
			return nil, fmt.Errorf("%w: %s has the unknown verb %.40q", ErrEvent, e.Name, string(e.Verb))
		case e.Title == "" || len(e.Title) > maxEventText || e.Module == "" || len(e.Module) > maxEventText:
			return nil, fmt.Errorf("%w: %s needs a module and a title of at most %d bytes", ErrEvent, e.Name, maxEventText)
		}
		c[e.Name] = e
	}
	return c, nil
}

// validEvent reports whether a name is ^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$.
func validEvent(name string) bool {
	words := strings.Split(name, ".")
	if len(words) < 2 || len(name) > maxEventText {
		return false
	}
	for _, w := range words {
		if w == "" || w[0] < 'a' || w[0] > 'z' {
			return false
		}
		if strings.Trim(w, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return false
		}
	}
	return true
}
