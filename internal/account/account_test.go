package account_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/account"
	"leadsync/internal/backoff"
	"leadsync/internal/breaker"
	"leadsync/internal/hubspot"
	"leadsync/internal/mapping"
)

// portal is a HubSpot account and what reading it costs.
type portal struct {
	id                     int64
	properties             []hubspot.Property
	accountErr, defsErr    error
	accountReads, defReads int
}

func (p *portal) Account(context.Context) (hubspot.Account, error) {
	p.accountReads++
	return hubspot.Account{PortalID: p.id, TimeZone: "Europe/Paris"}, p.accountErr
}

func (p *portal) ContactProperties(context.Context) ([]hubspot.Property, error) {
	p.defReads++
	return p.properties, p.defsErr
}

// memory is a row of the database.
type memory struct {
	pin    account.Pin
	shapes string
	err    error
	saves  int
}

func (m *memory) Pinned(context.Context) (account.Pin, error) { return m.pin, m.err }
func (m *memory) SavePin(_ context.Context, p account.Pin) error {
	m.pin = p
	m.saves++
	return nil
}
func (m *memory) Shapes(context.Context, int64) (string, error) { return m.shapes, m.err }
func (m *memory) SaveShapes(_ context.Context, _ int64, text string) error {
	m.shapes = text
	m.saves++
	return nil
}

func company(kind string) []hubspot.Property {
	return []hubspot.Property{{Name: "email", Type: "string"}, {Name: "company", Type: kind}}
}

type rig struct {
	*account.Account
	lane *breaker.Breaker
	log  bytes.Buffer
}

func newRig(p *portal, m *memory) *rig {
	r := &rig{}
	log := slog.New(slog.NewTextHandler(&r.log, nil))
	r.lane = breaker.New(breaker.Config{Log: log, Waits: backoff.Schedule{Base: time.Second}})
	r.Account = account.New(account.Config{HubSpot: p, Mapping: mapping.New([]mapping.Field{{Lead: "company", Contact: "company", Direction: mapping.Both}}, ""), Breaker: r.lane,
		Log: log, Now: time.Now, OnDefinitions: account.CompareWith(m, log),
		Pin: func(ctx context.Context, a hubspot.Account) error {
			_, err := account.Check(ctx, m, 0, account.Pin{AccountID: a.PortalID, BaseURL: "https://api.example.com"})
			return err
		}})
	return r
}

func connect(t *testing.T, a *rig) {
	t.Helper()
	if err := a.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestConnect: two reads at a start and one a day; what is known stays in force while HubSpot does not answer.
func TestConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &portal{id: 7, properties: company("string")}
		a := newRig(p, &memory{})
		if a.Known() || a.ID() != 0 || a.TimeZone() != "" || a.Table() == nil || a.Problems() != nil {
			t.Error("something is known before Connect")
		}
		for range 3 {
			connect(t, a)
		}
		if !a.Known() || a.ID() != 7 || a.TimeZone() != "Europe/Paris" || p.accountReads != 1 || p.defReads != 1 {
			t.Errorf("account %d in %q, %d and %d reads", a.ID(), a.TimeZone(), p.accountReads, p.defReads)
		}
		time.Sleep(account.DefinitionsLife)
		p.defsErr = &hubspot.Error{Op: hubspot.OpProperties, Status: 500}
		for range 3 {
			connect(t, a)
		}
		if p.defReads != 2 || !a.Known() {
			t.Errorf("%d reads", p.defReads)
		}
		time.Sleep(time.Minute)
		p.defsErr = nil
		connect(t, a)
		connect(t, a)
		if p.defReads != 3 || p.accountReads != 1 {
			t.Errorf("%d reads after the outage, %d of the account", p.defReads, p.accountReads)
		}
	})
}

// TestConnectFails: nothing is known of an account that gave no answer or is not the one the portal is for.
func TestConnectFails(t *testing.T) {
	away := errors.New("database away")
	for name, tc := range map[string]struct {
		p *portal
		m *memory
	}{
		"no account":     {&portal{id: 7, accountErr: hubspot.ErrTimeout}, &memory{}},
		"no definitions": {&portal{id: 7, defsErr: hubspot.ErrTimeout}, &memory{}},
		"no database":    {&portal{id: 7}, &memory{err: away}},
		"other account":  {&portal{id: 7}, &memory{pin: account.Pin{AccountID: 8}}},
	} {
		a := newRig(tc.p, tc.m)
		if err := a.Connect(t.Context()); err == nil || a.Known() || a.ID() != 0 {
			t.Errorf("%s: %v, known is %v", name, err, a.Known())
		}
	}
}

// TestWithoutScope: values are sent unchecked, status says so, and a new token is tried at once, the old one after an hour.
func TestWithoutScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &portal{id: 7, defsErr: &hubspot.Error{Status: 403, Category: "MISSING_SCOPES", Scopes: []string{"crm.schemas.contacts.read"}}}
		a := newRig(p, &memory{})
		connect(t, a)
		if got := a.Problems(); len(got) != 1 || !strings.Contains(got[0], "crm.schemas.contacts.read") {
			t.Errorf("%q", got)
		}
		if a.Refresh(t.Context()) || p.defReads != 1 {
			t.Error("a refusal asks for what the token may not read")
		}
		a.TokenRenewed()
		connect(t, a)
		connect(t, a)
		if p.defReads != 2 {
			t.Errorf("%d reads after a login", p.defReads)
		}
		time.Sleep(breaker.ScopeRetry)
		p.defsErr, p.properties = nil, company("string")
		connect(t, a)
		if p.defReads != 3 || len(a.Problems()) != 0 {
			t.Errorf("%d reads, problems %q", p.defReads, a.Problems())
		}
		a.TokenRenewed()
		connect(t, a)
		if p.defReads != 3 {
			t.Error("a login has everything read again")
		}
	})
}

// TestRefresh: a refused value has the definitions read once more, at most once a minute.
func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &portal{id: 7, properties: company("string")}
		a := newRig(p, &memory{})
		if a.Refresh(t.Context()) || p.defReads != 0 {
			t.Error("definitions are read before the account is known")
		}
		connect(t, a)
		if a.Refresh(t.Context()) {
			t.Error("fresh definitions are read again")
		}
		time.Sleep(time.Minute)
		before := a.Table()
		if !a.Refresh(t.Context()) || a.Table() == before || a.Refresh(t.Context()) || p.defReads != 2 {
			t.Errorf("%d reads", p.defReads)
		}
		time.Sleep(time.Minute)
		before, p.defsErr = a.Table(), hubspot.ErrTimeout
		if a.Refresh(t.Context()) || a.Table() != before || a.Refresh(t.Context()) || p.defReads != 3 {
			t.Errorf("%d reads, another table is %v", p.defReads, a.Table() != before)
		}
	})
}

// TestChangeOfSchema: a property whose type changed is a problem until the next day's look, also when definitions are read between.
func TestChangeOfSchema(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := &portal{id: 7, properties: company("string")}, &memory{}
		a := newRig(p, m)
		connect(t, a)
		if len(a.Problems()) != 0 || m.shapes == "" {
			t.Errorf("problems %q, remembered %q", a.Problems(), m.shapes)
		}
		time.Sleep(account.DefinitionsLife)
		p.properties = company("number")
		connect(t, a)
		found := a.Problems()
		if len(found) != 1 || !strings.Contains(found[0], "company") {
			t.Fatalf("%q", found)
		}
		said := strings.Count(a.log.String(), "\n")
		time.Sleep(time.Minute)
		a.Refresh(t.Context())
		if got := a.Problems(); len(got) != 1 || strings.Count(a.log.String(), "\n") != said {
			t.Errorf("after a refusal: %q, and the log is\n%s", got, &a.log)
		}
		saves := m.saves
		time.Sleep(account.DefinitionsLife)
		if connect(t, a); len(a.Problems()) != 0 || m.saves != saves {
			t.Errorf("the day after: %q, %d saves", a.Problems(), m.saves-saves)
		}
		m.err = errors.New("database away")
		time.Sleep(account.DefinitionsLife)
		p.properties = company("bool")
		if connect(t, a); len(a.Problems()) != 0 || m.saves != saves {
			t.Errorf("without the database: %q", a.Problems())
		}
	})
}

// TestCheck: the configured account wins over the pinned one, and only a change is written.
func TestCheck(t *testing.T) {
	const base, other = "https://api.hubapi.com", "https://api-eu1.hubapi.com"
	for _, tc := range []struct {
		pinned     account.Pin
		configured int64
		have       int64
		wrong      int64 // the account that was wanted
		saves      int
	}{
		{account.Pin{}, 0, 7, 0, 1},
		{account.Pin{}, 7, 7, 0, 1},
		{account.Pin{}, 8, 7, 8, 0},
		{account.Pin{AccountID: 7, BaseURL: base}, 0, 7, 0, 0},
		{account.Pin{AccountID: 7, BaseURL: other}, 0, 7, 0, 1},
		{account.Pin{AccountID: 8, BaseURL: base}, 0, 7, 8, 0},
		{account.Pin{AccountID: 8, BaseURL: base}, 7, 7, 0, 1},
		{account.Pin{AccountID: 7, BaseURL: base}, 8, 7, 8, 0},
	} {
		m := &memory{pin: tc.pinned}
		changed, err := account.Check(t.Context(), m, tc.configured, account.Pin{AccountID: tc.have, BaseURL: base})
		wrong, isWrong := errors.AsType[*account.WrongError](err)
		if isWrong != (tc.wrong != 0) || isWrong && (wrong.Want != tc.wrong || wrong.Have != tc.have) || !isWrong && err != nil ||
			m.saves != tc.saves || changed != (tc.saves == 1) {
			t.Errorf("%+v: changed is %v, %v, %d saves", tc, changed, err, m.saves)
		}
		if isWrong && (breaker.Judge(err).State != breaker.Paused || m.pin != tc.pinned) {
			t.Errorf("%+v: the lane is %s, pinned %+v", tc, breaker.Judge(err).State, m.pin)
		}
	}
}

// A portal that was connected to one account refuses the token of another.
func ExampleCheck() {
	m := &memory{pin: account.Pin{AccountID: 62515, BaseURL: "https://api.hubapi.com"}}
	_, err := account.Check(context.Background(), m, 0, account.Pin{AccountID: 99, BaseURL: "https://api.hubapi.com"})
	fmt.Println(err)
	// Output:
	// the token belongs to HubSpot account 99, this portal to 62515: use a token of 62515, or another database or portal name for 99
}
