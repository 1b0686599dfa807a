// Package e2e holds the end-to-end tests: the real binary, started as users start it, against the simulator in another
// process, on real SQLite files and real PostgreSQL and MariaDB servers. It has no code of its own.
//
// They prove what no test inside one process can: that a daemon killed at any moment loses nothing and doubles nothing
// (G1 to G3), in either direction (TestG3Kill, TestG8Kill, TestG3KillBothWays), that a second one takes over, that a
// database that is away, silent, restarted, full or replaced is waited for, that one which may not be written ends the
// start with the cure, and that exit codes, files and signals are as the README says. A sample runs with the ordinary
// tests; LEADSYNC_TEST=full runs all of it, LEADSYNC_TEST=N with N kills. Servers that are restarted are the test's
// own.
//
// Design: the tests know nothing of the code but its command line, its tables and the simulator's admin paths, and they
// check the result with package replay, which is written from the contract alone. Driving the daemon's packages
// directly was rejected: what is tested there is tested in internal/app, and a kill inside one process is no kill.
package e2e
