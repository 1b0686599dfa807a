package storetest

import "time"

// quietBefore: a successor knows how long the owner before can have begun no request, and takes nothing for known
// otherwise.
func quietBefore(e *env) {
	const request = 15 * time.Second
	e.must(e.acquire("one").Release(e.Context()))
	l := e.acquire("two")
	if q := l.Quiet(request); q != 0 || !l.CleanBefore() {
		e.Errorf("after a release: quiet for %s", q)
	}
	e.must(l.Abandon(e.Context()))
	l = e.acquire("three")
	if q := l.Quiet(request); q != 0 || l.CleanBefore() {
		e.Errorf("after an owner that gave up with requests under way: quiet for %s", q)
	}
	if e.db.Dialect() == "sqlite" {
		return
	}
	clock := map[string]string{"postgres": `floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint`, "mysql": `(UNIX_TIMESTAMP(NOW(3)) * 1000)`}[e.db.Dialect()]
	Exec(e, e.app, `UPDATE leadsync_portals SET lease_until = `+clock+` - 2000`)
	l = e.acquire("four")
	if q := l.Quiet(request); q < request+2*time.Second || q > request+20*time.Second || l.CleanBefore() {
		e.Errorf("after a lease that ran out two seconds ago: quiet for %s", q)
	}
}
