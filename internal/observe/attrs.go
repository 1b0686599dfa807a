package observe

// Keys of attributes, snake_case, one word per thing. Elapsed times are logged as time.Duration, moments as time.Time
// in UTC.
const (
	Err     = "err"
	Cause   = "cause"
	Class   = "class"
	Code    = "code"
	Hint    = "hint"
	Elapsed = "elapsed"
	Until   = "until"
	RetryIn = "retry_in"
	// Suppressed counts the equal lines that a Limiter held back since the last one it let through.
	Suppressed = "suppressed"

	Version  = "version"
	Dialect  = "dialect"
	Database = "database" // without user and password
	From     = "from"
	To       = "to"
	Item     = "item"
	Reason   = "reason"
	Released = "released"
	Warning  = "warning"
	State    = "state"
	Pending  = "pending"
	LastOK   = "last_ok"
	Uptime   = "uptime"
	Changed  = "changed" // keys of the configuration
	Where    = "where"   // file and line
	Key      = "key"

	Portal   = "portal"
	Lane     = "lane"
	Address  = "address"   // host and port that is listened on
	PortalID = "portal_id" // HubSpot's number of the account
	Owner    = "owner"
	Epoch    = "epoch"

	OutboxID  = "outbox_id"
	LeadHash  = "lead_hash" // 12 hex digits of a keyed hash; see package people
	LeadID    = "lead_id"   // only with log.people: plain
	ContactID = "contact_id"
	Attempt   = "attempt"

	Rows          = "rows"
	Leads         = "leads"
	Delivered     = "delivered"
	Skipped       = "skipped"
	Retried       = "retried"
	LeftOut       = "left_out" // rows of which a field was not sent
	Snoozed       = "snoozed"
	Dead          = "dead"
	Count         = "count"
	OlderThan     = "older_than"
	FailedBatches = "failed_batches"
	PausedFor     = "paused_for"

	RunID         = "run_id"
	Stream        = "stream"
	Pages         = "pages"
	Seen          = "seen"
	Applied       = "applied"
	Echoes        = "echoes"
	Conflicts     = "conflicts"
	WatermarkFrom = "watermark_from"
	WatermarkTo   = "watermark_to"
	NextRunAt     = "next_run_at"
	RunningFor    = "running_for"
	Ahead         = "ahead" // by how much HubSpot's Date is ahead of our clock; negative = behind

	Op             = "op"
	Status         = "status"
	Category       = "category"
	CorrelationID  = "correlation_id"
	LimitRemaining = "limit_remaining"
	ExpiresIn      = "expires_in"
	Property       = "property"
	Winner         = "winner"
	Stack          = "stack"
)
