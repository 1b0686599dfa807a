// Package config turns one YAML file, the environment and the credential files into a Config that is known to be sound.
//
// Guarantee: Load refuses what it does not understand and reports every problem at once, each with file and line (or
// the name of the variable), key, value, rule and cure. No error and no printed form of a Config holds a secret or a
// piece of the file's text beyond the value of the key it speaks of, and that value only where the key cannot hold a
// secret.
//
// It does not connect to anything, and it opens credential files only when the command asks for one: a missing client
// secret does not disturb a daemon that works with a static token.
//
// Design: the file is parsed into a tree and laid over Default() by our own walk, because the library's strict decoding
// stops at the first problem and quotes the neighbouring lines of the file, which may hold a password. A configuration
// framework was rejected: those tried lose the line numbers.
//
// The comments of the structs below are the manual. config/leadsync.example.yaml shows every key; a test holds it equal
// to Default(). Each key can be set by the environment as LEADSYNC_ and its path in capitals: database.url is
// LEADSYNC_DATABASE_URL; lists and maps are written there as YAML text.
package config

import "time"

// Config is the whole configuration: one instance of leadsync for one portal. Use Default or Load to make one; the zero
// value is not valid.
type Config struct {
	// Portal is the name of the HubSpot account as the application writes it into lead_outbox.portal. 1 to 64 characters
	// of a-z, A-Z, 0-9, dot, dash and underscore. Default "default". Several portals are several instances on one
	// database.
	Portal   string   `yaml:"portal"`
	Database Database `yaml:"database"`
	HubSpot  HubSpot  `yaml:"hubspot"`
	Push     Push     `yaml:"push"`
	Pull     Pull     `yaml:"pull"`
	Mapping  Mapping  `yaml:"mapping"`
	Consent  Consent  `yaml:"consent"`
	Erase    Erase    `yaml:"erase"`
	// Retention says how long settled rows stay in the tables.
	Retention Retention `yaml:"retention"`
	// StopTimeout is how long work in flight may go on after SIGTERM before it is cut off and put back. 1s to 10m, default
	// 20s. The unit's TimeoutStopSec must be larger.
	StopTimeout time.Duration `yaml:"stop_timeout"`
	Log         Log           `yaml:"log"`
	Status      Status        `yaml:"status"`
}

// Database says where outbox, inbox and leadsync's own tables are.
type Database struct {
	// URL is sqlite:///absolute/path, sqlite:relative/path (from the working directory), postgres://... or mysql://... .
	// Default sqlite:///var/lib/leadsync/leadsync.db. It prints without its password.
	URL DatabaseURL `yaml:"url"`
	// URLFile names a credential file that holds the URL, for one with a password. It is read instead of url. Default "".
	URLFile string `yaml:"url_file"`
}

// HubSpot says how to reach the account.
type HubSpot struct {
	// BaseURL is the API's root. https, or http for a loopback address only. Default https://api.hubapi.com.
	BaseURL string `yaml:"base_url"`
	// AuthorizeURL is the page where a person grants access. Default https://app.hubspot.com/oauth/authorize.
	AuthorizeURL string `yaml:"authorize_url"`
	// APIVersion is the dated version in every path. Default "2026-09", the only one this version was written for.
	APIVersion string `yaml:"api_version"`
	// PortalID is the number of the account that the token must belong to. 0, the default, learns it once and pins it.
	PortalID int64 `yaml:"portal_id"`
	// Timeout is the limit of one request, from sending to the last byte of the answer. 1s to 5m, default 15s.
	Timeout time.Duration `yaml:"timeout"`
	// CAFile is a PEM file of certificate authorities to trust besides the system's, looked up like the _file keys of
	// auth. Default "", none.
	CAFile string `yaml:"ca_file"`
	Auth   Auth   `yaml:"auth"`
	Limits Limits `yaml:"limits"`
}

// Auth says which credentials are used. The values of the _file keys are absolute, or looked up in
// $CREDENTIALS_DIRECTORY, then beside the configuration file; the content "unset" reads as absent.
type Auth struct {
	// Mode is oauth (default) or static (a service key, a static app's token, an old private app's token).
	Mode AuthMode `yaml:"mode"`
	// ClientID of the HubSpot app. Needed by mode oauth when it logs in. Default "".
	ClientID string `yaml:"client_id"`
	// ClientSecretFile holds the client secret of the app; needed in mode oauth. Default hubspot-client-secret.
	ClientSecretFile string `yaml:"client_secret_file"`
	// RedirectURL is where HubSpot sends the browser after the grant; https, or http for localhost only. It must stand in
	// the app's settings letter by letter. Default http://localhost:8976/callback.
	RedirectURL string `yaml:"redirect_url"`
	// Scopes are asked for at login. Default: oauth, contacts read and write, contact schemas read, communication
	// preferences.
	Scopes []string `yaml:"scopes"`
	// TokenKeyFile holds the keys that seal what is secret in the database: 32 random bytes in base64, one key a line, the
	// first one seals, all of them open. Needed in every mode. Default token-key. Made by `leadsync auth key`.
	TokenKeyFile string `yaml:"token_key_file"`
	// StaticTokenFile holds the token of mode static. Default hubspot-token.
	StaticTokenFile string `yaml:"static_token_file"`
}

// Limits is the share of HubSpot's budget that leadsync may use.
type Limits struct {
	// RequestsPer10s is the account's limit in a rolling window of 10 seconds. 1 to 10000, or 0 for no limit of our own,
	// which is accepted with a loopback base_url only. Default 100. A lower limit in HubSpot's answers is obeyed.
	RequestsPer10s int `yaml:"requests_per_10s"`
	// Daily is the account's limit of a day. 0 for none of our own. Default 250000.
	Daily int `yaml:"daily"`
	// Share is the part of both that leadsync uses, above 0 up to 1; the rest is left for the account's other apps.
	// Default 0.9.
	Share float64 `yaml:"share"`
	// SearchPerSecond is the limit of search requests, which do not count in the window. 1 to 5, default 5.
	SearchPerSecond int `yaml:"search_per_second"`
}

// Push is the way from the outbox to HubSpot.
type Push struct {
	// PollInterval is the wait between two looks at an idle outbox. 10ms to 1h, default 250ms.
	PollInterval time.Duration `yaml:"poll_interval"`
	// Linger is how long a batch that is not full waits for company. 0 to 10s, default 50ms.
	Linger time.Duration `yaml:"linger"`
	// Concurrency is the number of requests under way at once. 1 to 64, default 4.
	Concurrency int `yaml:"concurrency"`
	// MaxAttempts is how often a row is tried for a reason of its own before it is dead as gave_up. 1 to 100, default 8.
	MaxAttempts int `yaml:"max_attempts"`
	// OnInvalidField is drop (default: send the other fields and name the refused one in note) or dead (the row is dead).
	OnInvalidField InvalidField `yaml:"on_invalid_field"`
	// MaxDeletesPerHour is how many contacts lead.deleted and lead.erased may touch in an hour. One more pauses them all
	// until `leadsync resume --deletes`. 0 = no limit, default 100.
	MaxDeletesPerHour int `yaml:"max_deletes_per_hour"`
	// SecondLook is how long after a request whose outcome is not known, and after an erase in HubSpot, the contact is
	// read once more: by then HubSpot must have executed the request or forgotten it. 1m to 1h, default 2m; less is
	// accepted only on a loopback address.
	SecondLook time.Duration `yaml:"second_look"`
	// Notify listens for PostgreSQL's NOTIFY, which costs the application's commits their parallelism, and notifies the
	// channel leadsync_inbox of new inbox rows. Default false.
	Notify bool `yaml:"notify"`
}

// Pull is the way from HubSpot to the inbox. Schedules are cron expressions of five fields in UTC, or @every DURATION
// of at least 1s, @hourly, @daily, ...
type Pull struct {
	// Schedule of the quick look for changes. Default "@every 1m".
	Schedule string `yaml:"schedule"`
	// LaggedSchedule of the second look an hour behind. Default "@every 15m".
	LaggedSchedule string `yaml:"lagged_schedule"`
	// OptoutSchedule of the look for people who opted out. Default "@every 1h".
	OptoutSchedule string `yaml:"optout_schedule"`
	// ArchivedSchedule of the look for archived contacts. Default "@daily".
	ArchivedSchedule string `yaml:"archived_schedule"`
	// Start is where the first run begins: now (default), all, or a time in the past (2026-01-31, or
	// 2026-01-31T08:00:00Z).
	Start PullStart `yaml:"start"`
	// Unknown is what happens to contacts the application does not know: ignore (default) or inbox.
	Unknown UnknownContacts `yaml:"unknown"`
}

// Mapping says which lead field is which contact property.
type Mapping struct {
	// IDProperty is a custom contact property with unique values that holds lead_id. Default "", contacts are found by
	// address.
	IDProperty string `yaml:"id_property"`
	// Fields, when empty (default), lets every property pass under its own name, direction push, winner app.
	Fields []Field `yaml:"fields"`
}

// Field maps one field.
type Field struct {
	// Lead is the key in the properties of lead_outbox. Needed, unique.
	Lead string `yaml:"lead"`
	// Contact is the internal name of the contact property. Needed, unique, in lower case.
	Contact string `yaml:"contact"`
	// Direction is push (default), pull or both.
	Direction Direction `yaml:"direction"`
	// Winner decides when both sides changed: app (default), hubspot, newest or fill_empty.
	Winner Winner `yaml:"winner"`
}

// Consent is how lead.unsubscribed and lead.resubscribed are carried out.
type Consent struct {
	// Unsubscribe is all (default: out of all e-mail), or the list of subscription ids to leave.
	Unsubscribe Subscriptions `yaml:"unsubscribe"`
	// Resubscribe is refuse (default) or allow (send it when the event carries "consent" evidence).
	Resubscribe Resubscribe `yaml:"resubscribe"`
	// LegalBasis is sent along where the account has data privacy switched on, e.g. LEGITIMATE_INTEREST_OTHER. Default "".
	LegalBasis string `yaml:"legal_basis"`
	// Explanation of the legal basis; needed when that is set. Default "".
	Explanation string `yaml:"explanation"`
	// BusinessUnitID is the brand the opt-out is for; 0, the default, is the account's own.
	BusinessUnitID int64 `yaml:"business_unit_id"`
}

// Erase is how lead.erased is carried out.
type Erase struct {
	// Adopted is erase (default) or ask: whether an erase also purges a contact that was in HubSpot before the lead was
	// linked to it, or waits for an operator (`leadsync erase LEAD --also CONTACT`). With ask an application need not have
	// verified the address.
	Adopted Adopted `yaml:"adopted"`
}

// Retention is how long rows stay after they have settled.
type Retention struct {
	// Settled is for delivered and skipped rows. At least 1m, or 0 for ever. Default 168h.
	Settled time.Duration `yaml:"settled"`
	// Dead is for dead rows. At least 1m, or 0, the default, for ever.
	Dead time.Duration `yaml:"dead"`
	// Inbox is for acknowledged inbox rows. At least 1m, or 0 for ever. Default 168h.
	Inbox time.Duration `yaml:"inbox"`
}

// Log is what goes to standard error.
type Log struct {
	// Format is auto (default: journal fields under the journal, text on a terminal, JSON elsewhere), text, json or
	// journal.
	Format LogFormat `yaml:"format"`
	// Level is debug, info (default), warn or error.
	Level LogLevel `yaml:"level"`
	// People is hash (default: a person appears as lead_hash) or plain (as lead_id too).
	People LogPeople `yaml:"people"`
}

// Status is the health page and when it complains.
type Status struct {
	// Listen is the loopback address and port of health and status, or "" for none. Default "127.0.0.1:8977".
	Listen string `yaml:"listen"`
	// AlertAfter is how long a lane may stand or a row may wait before it is a problem. 1s or more, default 15m.
	AlertAfter time.Duration `yaml:"alert_after"`
}
