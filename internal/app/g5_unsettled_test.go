package app

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// While the database takes no settlement (its disk is full, say) but can be read, one job at a time finds out when it
// does again: what waits is not all sent and forgotten, HubSpot is left alone, and the log says it once.
func TestG5UnsettledIsNotSentOnAndOn(t *testing.T) {
	t.Parallel()
	inScene(t, place{dialect: "sqlite"}, func(s *scene) {
		var said logText
		s.log = slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), &said), nil))
		sh := &shakes{}
		sh.into(s)
		s.start()
		time.Sleep(time.Second)
		sh.breaks("Settle", "refused")
		s.together(func() {
			for i := range 3000 {
				s.event(fmt.Sprint(i), registered, fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`)
			}
		})
		time.Sleep(time.Hour)
		st := s.sim.Stats()
		t.Logf("after an hour: %d contacts, %d requests, %d of them writes", st.Contacts, st.Requests, st.WriteRequests)
		if st.Contacts > 1000 || st.Requests > 200 {
			t.Errorf("%d contacts were sent in %d requests, and none could be settled", st.Contacts, st.Requests)
		}
		if n := strings.Count(said.String(), "push degraded"); n == 0 || n > 2 {
			t.Errorf("the log says it %d times:\n%s", n, said.String())
		}
		if s := s.status(); s.State != "down" || !strings.Contains(s.Cause, "database: connection refused") {
			t.Errorf("status %+v", s)
		}
		sh.heals()
		s.settled(10 * time.Minute)
		if got := s.counts(); got["delivered"] != 3000 || len(got) != 1 {
			t.Errorf("afterwards: %v", got)
		}
		if st := s.sim.Stats(); st.Contacts != 3000 || st.Unchanged != 0 {
			t.Errorf("%d contacts, %d written twice", st.Contacts, st.Unchanged)
		}
		if n := strings.Count(said.String(), "push recovered"); n != 1 {
			t.Errorf("the log says %d times that it is over", n)
		}
	})
}
