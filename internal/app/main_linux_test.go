package app

import (
	"os"
	"syscall"
	"testing"
)

// TestMain puts the databases of the tests into memory, where there is room and nobody has said where they go: hundreds
// of daemons commit each row for itself, and a disk would decide how long that takes. What must be on a disk to be
// proved makes its own.
func TestMain(m *testing.M) {
	const memory, room = "/dev/shm", 2 << 30
	var there syscall.Statfs_t
	if os.Getenv("TMPDIR") == "" && syscall.Statfs(memory, &there) == nil && there.Bavail*uint64(there.Bsize) > room {
		if dir, err := os.MkdirTemp(memory, "leadsync-app"); err == nil {
			_ = os.Setenv("TMPDIR", dir)
			code := m.Run()
			_ = os.RemoveAll(dir)
			os.Exit(code)
		}
	}
	os.Exit(m.Run())
}
