package app

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"leadsync/internal/hubspotsim"
)

// BenchmarkDeliver pushes new leads through the whole daemon in this process: SQLite file, client, simulator without a
// socket. One operation is one lead; the simulator's work is in it (look at the profile: -cpuprofile cpu.out).
func BenchmarkDeliver(b *testing.B) {
	r := newRig(b, hubspotsim.Config{Seed: 1}, "")
	defer r.close()
	r.log = slog.New(slog.DiscardHandler)
	r.events(func(insert func(lead, typ, email, properties string)) {
		for i := range b.N {
			insert(fmt.Sprint("l", i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"First","lastname":"Last","company":"Company"}`)
		}
	})
	a := r.app()
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := a.Once(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if n := r.sim.Stats().Contacts; n != b.N {
		b.Fatalf("%d contacts of %d", n, b.N)
	}
}
