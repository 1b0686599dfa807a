package e2e

import (
	"debug/elf"
	"testing"
)

// TestTheFixedPackagesAreReallyUsed holds the binary against the packages that this project is built on. The linker
// leaves out what nothing reaches from main, so a function of ours that is there is called, and so is the one of theirs
// that it stands for: an import alone, or a caller in a test, is not enough.
func TestTheFixedPackagesAreReallyUsed(t *testing.T) {
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	symbols, err := file.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, s := range symbols {
		there[s.Name] = true
	}
	for _, used := range []struct{ by, function string }{
		{"leadsync/internal/backoff.Policy.Do", "github.com/sethvargo/go-retry.Do"},
		{"leadsync/internal/schedule.(*Scheduler).Run", "github.com/robfig/cron/v3.(*SpecSchedule).Next"}, // when each stream runs
		{"leadsync/internal/store.Open", "gorm.io/gorm.Open"},
		{"leadsync/internal/store.Open", "gorm.io/driver/sqlite.(*Dialector).Initialize"},
		{"leadsync/internal/auth.(*Client).Exchange", "golang.org/x/oauth2.(*Config).Exchange"},
	} {
		if !there[used.by] || !there[used.function] {
			t.Errorf("the binary has %s: %t, and %s: %t; want both", used.by, there[used.by], used.function, there[used.function])
		}
	}
}
