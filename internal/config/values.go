package config

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The words that keys with a fixed choice may hold. Each type lists its words with values(), the default first.
type (
	// AuthMode is the value of hubspot.auth.mode.
	AuthMode string
	// InvalidField is the value of push.on_invalid_field.
	InvalidField string
	// UnknownContacts is the value of pull.unknown.
	UnknownContacts string
	// Direction is the value of mapping.fields[].direction.
	Direction string
	// Winner is the value of mapping.fields[].winner.
	Winner string
	// Resubscribe is the value of consent.resubscribe.
	Resubscribe string
	// Adopted is the value of erase.adopted.
	Adopted string
	// LogFormat is the value of log.format.
	LogFormat string
	// LogLevel is the value of log.level.
	LogLevel string
	// LogPeople is the value of log.people.
	LogPeople string
)

// The words.
const (
	AuthOAuth  AuthMode = "oauth"
	AuthStatic AuthMode = "static"

	DropField InvalidField = "drop"
	DeadRow   InvalidField = "dead"

	IgnoreUnknown UnknownContacts = "ignore"
	InboxUnknown  UnknownContacts = "inbox"

	DirectionPush Direction = "push"
	DirectionPull Direction = "pull"
	DirectionBoth Direction = "both"

	WinnerApp       Winner = "app"
	WinnerHubSpot   Winner = "hubspot"
	WinnerNewest    Winner = "newest"
	WinnerFillEmpty Winner = "fill_empty"

	RefuseResubscribe Resubscribe = "refuse"
	AllowResubscribe  Resubscribe = "allow"

	EraseAdopted Adopted = "erase"
	AskAdopted   Adopted = "ask"

	LogAuto    LogFormat = "auto"
	LogText    LogFormat = "text"
	LogJSON    LogFormat = "json"
	LogJournal LogFormat = "journal"

	LevelDebug LogLevel = "debug"
	LevelInfo  LogLevel = "info"
	LevelWarn  LogLevel = "warn"
	LevelError LogLevel = "error"

	PeopleHash  LogPeople = "hash"
	PeoplePlain LogPeople = "plain"
)

// choice is a string type with a fixed set of words.
type choice interface{ values() []string }

func (AuthMode) values() []string        { return []string{"oauth", "static"} }
func (InvalidField) values() []string    { return []string{"drop", "dead"} }
func (UnknownContacts) values() []string { return []string{"ignore", "inbox"} }
func (Direction) values() []string       { return []string{"push", "pull", "both"} }
func (Adopted) values() []string         { return []string{"erase", "ask"} }
func (Winner) values() []string          { return []string{"app", "hubspot", "newest", "fill_empty"} }
func (Resubscribe) values() []string     { return []string{"refuse", "allow"} }
func (LogFormat) values() []string       { return []string{"auto", "text", "json", "journal"} }
func (LogLevel) values() []string        { return []string{"info", "debug", "warn", "error"} }
func (LogPeople) values() []string       { return []string{"hash", "plain"} }

// PullStart is the value of pull.start: now, all, or a time.
type PullStart string

// The words of PullStart.
const (
	StartNow PullStart = "now"
	StartAll PullStart = "all"
)

// Time is the time that is written there, RFC 3339 or a date alone (midnight UTC); false when it is none.
func (s PullStart) Time() (time.Time, bool) {
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(form, string(s)); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// Subscriptions is `all`, or a list of ids of subscription types. The zero value is an empty list, which is not valid.
type Subscriptions struct {
	All bool
	IDs []int64
}

// value is the form in the file: "all" or the list.
func (s Subscriptions) value() any {
	if s.All {
		return "all"
	}
	return s.IDs
}

// String is "all" or the ids in brackets.
func (s Subscriptions) String() string {
	if s.All {
		return "all"
	}
	words := make([]string, len(s.IDs))
	for i, id := range s.IDs {
		words[i] = strconv.FormatInt(id, 10)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// MarshalJSON writes the form of the file.
func (s Subscriptions) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(s.value())
	if err != nil {
		return nil, fmt.Errorf("encode subscriptions: %w", err)
	}
	return text, nil
}
