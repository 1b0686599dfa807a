package store_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"leadsync/internal/store/storetest"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(holderEnv) != "":
		holdPortal()
		return
	case os.Getenv(strangerEnv) != "":
		writeAsStranger()
		return
	}
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", "8") // the tests wait for servers, not for this processor
	}
	code := m.Run()
	fmt.Println(storetest.Dialects())
	os.Exit(code)
}

func TestSQLite(t *testing.T) { storetest.Run(t, storetest.SQLite) }

func TestPostgres(t *testing.T) {
	storetest.Postgres(t) // skips the suite when there is no server
	storetest.Run(t, storetest.Postgres)
	storetest.RunServer(t, storetest.Postgres)
	storetest.RunPostgres(t, storetest.Postgres)
}

func TestMySQL(t *testing.T) {
	storetest.MySQL(t)
	storetest.Run(t, storetest.MySQL)
	storetest.RunServer(t, storetest.MySQL)
}
