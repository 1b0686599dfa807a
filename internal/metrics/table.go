package metrics

// waits are from the insert of a row to its settlement: a trickle is a fraction of a second, a backlog or an outage
// hours.
var waits = []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400}

// answers are of one request.
var answers = []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30}

// The metrics, in the order in which they are written.
var (
	Build            = &Metric{Name: "leadsync_build_info", Kind: KindGauge, Help: "1, with the version of the daemon.", Labels: []string{"version"}}
	Started          = &Metric{Name: "leadsync_start_time_seconds", Kind: KindGauge, Help: "When the daemon started, unix time."}
	Healthy          = &Metric{Name: "leadsync_healthy", Kind: KindGauge, Help: "0 when work waits and nothing has succeeded for status.alert_after, when every row ends dead, or when a loop stands still."}
	Ready            = &Metric{Name: "leadsync_ready", Kind: KindGauge, Help: "1 when a row inserted now would be sent, or when the daemon stands by for another one."}
	Serving          = &Metric{Name: "leadsync_serving", Kind: KindGauge, Help: "1 when the daemon owns the portal, 0 when it stands by or starts."}
	LaneState        = &Metric{Name: "leadsync_lane_state", Kind: KindGauge, Help: "1 for the state the lane is in, 0 for the others.", Labels: []string{"state"}}
	Problem          = &Metric{Name: "leadsync_problem", Kind: KindGauge, Help: "1 for each problem of the moment, by its code in status.", Labels: []string{"code"}}
	LanePaused       = &Metric{Name: "leadsync_lane_paused", Kind: KindGauge, Help: "1 for a lane that an operator paused by hand.", Labels: []string{"lane"}}
	QueueRows        = &Metric{Name: "leadsync_outbox_rows", Kind: KindGauge, Help: "Rows of lead_outbox by state; counted at most every 15 seconds.", Labels: []string{"state"}}
	DeadRows         = &Metric{Name: "leadsync_outbox_dead_rows", Kind: KindGauge, Help: "Dead rows by reason.", Labels: []string{"reason"}}
	OldestWaiting    = &Metric{Name: "leadsync_oldest_waiting_seconds", Kind: KindGauge, Help: "How long the oldest row has waited that could be sent now; 0 when none waits."}
	RowsSettled      = &Metric{Name: "leadsync_rows_settled_total", Kind: KindCounter, Help: "Rows settled, by how; reason is empty for delivered ones.", Labels: []string{"state", "reason"}}
	RowsPutOff       = &Metric{Name: "leadsync_rows_put_off_total", Kind: KindCounter, Help: "Times a row was put off to a later attempt."}
	DeliverySeconds  = &Metric{Name: "leadsync_delivery_seconds", Kind: KindHistogram, Help: "From the insert of a row to its delivery.", Buckets: waits}
	Requests         = &Metric{Name: "leadsync_hubspot_requests_total", Kind: KindCounter, Help: "Requests to HubSpot by operation and class of the outcome; class ok is a success.", Labels: []string{"op", "class"}}
	RequestSeconds   = &Metric{Name: "leadsync_hubspot_request_seconds", Kind: KindHistogram, Help: "From the first byte sent to the last byte of the answer.", Labels: []string{"op"}, Buckets: answers}
	WindowUsed       = &Metric{Name: "leadsync_budget_window_used", Kind: KindGauge, Help: "Requests in the last 10 seconds."}
	WindowLimit      = &Metric{Name: "leadsync_budget_window_limit", Kind: KindGauge, Help: "Requests in 10 seconds that leadsync allows itself."}
	DailyUsed        = &Metric{Name: "leadsync_budget_daily_used", Kind: KindGauge, Help: "Requests of the account's day."}
	DailyLimit       = &Metric{Name: "leadsync_budget_daily_limit", Kind: KindGauge, Help: "Requests of a day that leadsync allows itself."}
	TokenSecondsLeft = &Metric{Name: "leadsync_token_seconds_left", Kind: KindGauge, Help: "Life of the access token; it is renewed at about a quarter. Absent for a token without an end."}
	LastAnswer       = &Metric{Name: "leadsync_last_success_timestamp_seconds", Kind: KindGauge, Help: "When HubSpot last answered a request well, unix time; absent when never."}
	LastProgress     = &Metric{Name: "leadsync_last_progress_timestamp_seconds", Kind: KindGauge, Help: "When a row was last delivered or skipped, unix time; absent when never."}
	StreamLag        = &Metric{Name: "leadsync_stream_lag_seconds", Kind: KindGauge, Help: "How far behind now a pull stream has read.", Labels: []string{"stream"}}
	StreamOverdue    = &Metric{Name: "leadsync_stream_overdue_seconds", Kind: KindGauge, Help: "How long ago a pull stream should have run; 0 while it runs, is not due, or waits with the lane.", Labels: []string{"stream"}}
)

// All is the table.
var All = []*Metric{Build, Started, Healthy, Ready, Serving, LaneState, Problem, LanePaused, QueueRows, DeadRows, OldestWaiting, RowsSettled, RowsPutOff,
	DeliverySeconds, Requests, RequestSeconds, WindowUsed, WindowLimit, DailyUsed, DailyLimit, TokenSecondsLeft, LastAnswer, LastProgress, StreamLag,
	StreamOverdue}
