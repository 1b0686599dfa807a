package storetest

import (
	"strings"
	"time"

	"leadsync/internal/store"
)

// inspectTells: the engine names itself and its version, says that it can be written to, and a server shows its clock.
func inspectTells(e *env) {
	before := time.Now().Add(-time.Minute).UnixMilli()
	got, err := e.db.Operator().Inspect(e.Context())
	e.must(err)
	engines := map[string][]string{"sqlite": {"SQLite"}, "postgres": {"PostgreSQL"}, "mysql": {"MariaDB", "MySQL"}}[e.db.Dialect()]
	if !strings.Contains(strings.Join(engines, " "), got.Engine) || got.Engine == "" || !strings.ContainsAny(got.Version, "0123456789") {
		e.Errorf("got %+v, want one of %v", got, engines)
	}
	want := store.Inspection{Engine: got.Engine, Version: got.Version, Mode: "read-write", Clock: got.Clock, Pooler: got.Pooler}
	if e.db.Dialect() == "sqlite" {
		want.Mode, want.Clock = "wal", 0
	} else if got.Clock < before || got.Clock > time.Now().Add(time.Minute).UnixMilli() {
		e.Errorf("the server's clock says %d", got.Clock)
	}
	if got != want {
		e.Errorf("got %+v, want %+v", got, want)
	}
	if got.Engine == "MariaDB" && !strings.Contains(strings.ToLower(got.Version), "mariadb") {
		e.Errorf("version %s", got.Version)
	}
}
