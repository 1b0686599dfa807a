package push

import (
	"errors"
	"strings"
	"testing"

	"leadsync/internal/hubspot"
)

// TestLostLeaseIsNoBrokenDatabase: who lost the portal, or could not renew in time, is not told to repair anything.
func TestLostLeaseIsNoBrokenDatabase(t *testing.T) {
	if got := cure(Down, "", causeLease); strings.Contains(got, "repair") || !strings.Contains(got, "renew its lease") {
		t.Errorf("a lost lease: %s", got)
	}
	if got := cure(Down, "", "database: connection refused"); !strings.Contains(got, "repair the database") {
		t.Errorf("a database that is away: %s", got)
	}
	if class := hubspot.Classify(errors.New("x")); cure(Degraded, class, causeLease) == cure(Down, class, causeLease) {
		t.Error("an outage of HubSpot is not the lease")
	}
}
