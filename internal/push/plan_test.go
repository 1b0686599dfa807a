package push

import (
	"slices"
	"testing"
	"time"

	"leadsync/internal/intent"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
)

var opWords = map[op]string{opSettle: "settle", opRead: "read", opLookup: "look up", opCreate: "create", opUpdate: "update", opUpsert: "upsert",
	opArchive: "archive", opErase: "erase"}

// planRow is a row of a lead that was just inserted.
func planRow(id outbox.EntryID, typ outbox.Type, address string, values ...string) *intent.Row {
	r := &intent.Row{Entry: &outbox.Entry{ID: id, CreatedAt: time.Now().UnixMilli()}, Event: typ, Address: address}
	for i := 0; i < len(values); i += 2 {
		r.Values = append(r.Values, mapping.Value{Property: values[i], Send: values[i+1], Canon: values[i+1]})
	}
	if r.Mapped = len(r.Values); address != "" {
		r.Mapped++
	}
	return r
}

// The next step of a lead, by the state of its link, its rows and what is remembered of it.
func TestDecide(t *testing.T) {
	fields := []mapping.Field{{Lead: "company", Contact: "company"}, {Lead: "city", Contact: "city", Winner: mapping.HubSpot}, {Lead: "plan", Contact: "plan"}}
	now := time.Now()
	plain := facts{now: now, table: mapping.New(fields, "")}
	with := func(change func(*facts)) facts { f := plain; change(&f); return f }
	keyed := with(func(f *facts) { f.table = mapping.New(fields[:1], "lead_key") })
	state := func(s ledger.State) *ledger.Link {
		l := linked("a", "A")
		l.State = s
		return l
	}
	update := func(values ...string) []*intent.Row {
		return []*intent.Row{planRow(5, outbox.Updated, "", values...)}
	}
	register := func() []*intent.Row {
		return []*intent.Row{planRow(5, outbox.Registered, "a@example.com", "company", "B")}
	}
	nothing := func() *ledger.Link { return &ledger.Link{LeadID: "a"} }
	one := func(typ outbox.Type, address string) []*intent.Row { return []*intent.Row{planRow(5, typ, address)} }
	looked := func(k *work) { k.looked = true }
	read := func(k *work) { k.read = true }
	for _, c := range []struct {
		name string
		link *ledger.Link
		rows []*intent.Row
		what func(*work)
		f    facts
		want string // the step
		ends string // state/reason of the first row that is decided
	}{
		{"nothing, no address", nothing(), update("company", "B"), nil, plain, "settle", "pending/"},
		{"nothing, no address for too long", nothing(), update("company", "B"), nil, with(func(f *facts) { f.now, f.noAddress = now.Add(2*time.Hour), time.Hour }), "settle", "dead/no_address"},
		{"new", nothing(), register(), nil, plain, "create", ""},
		{"new, in doubt", nothing(), register(), func(k *work) { k.hint.unknown = true }, plain, "look up", ""},
		{"new, in doubt, looked up", nothing(), register(), func(k *work) { k.hint.unknown, k.looked = true, true }, plain, "create", ""},
		{"new, a create met a contact", nothing(), register(), func(k *work) { k.hint.lookup = true }, plain, "look up", ""},
		{"new, many met one", nothing(), register(), nil, with(func(f *facts) { f.lookFirst = true }), "look up", ""},
		{"new, two addresses", nothing(), append(register(), planRow(6, outbox.Updated, "b@example.com")), nil, plain, "look up", ""},
		{"new, more rows", nothing(), register(), func(k *work) { k.more = true }, plain, "look up", ""},
		{"new, the address is blocked", nothing(), register(), func(k *work) { k.block("a@example.com", blockage{}) }, plain, "settle", ""},
		{"new, by a key", nothing(), register(), nil, keyed, "look up", ""},
		{"new, by a key that nobody has", nothing(), register(), func(k *work) { k.marked = true }, keyed, "upsert", ""},
		{"change", state(ledger.Linked), update("company", "B"), nil, plain, "update", ""},
		{"change of a field that people win", state(ledger.Linked), update("city", "B"), nil, plain, "read", ""},
		{"the same, read", state(ledger.Linked), update("city", "B"), read, plain, "update", ""},
		{"change of the address", state(ledger.Linked), one(outbox.Updated, "b@example.com"), nil, plain, "read", ""},
		{"change, in doubt", state(ledger.Linked), update("company", "B"), func(k *work) { k.doubt = true }, plain, "read", ""},
		{"no change", state(ledger.Linked), update("company", "A"), nil, plain, "settle", ""},
		{"no change, more rows", state(ledger.Linked), update("company", "A"), func(k *work) { k.more = true }, plain, "read", ""},
		{"no change after one", state(ledger.Linked), append(update("company", "B"), planRow(6, outbox.Updated, "", "company", "A")), nil, plain, "read", ""},
		{"no change, the key is missing", state(ledger.Linked), update("company", "A"), func(k *work) { k.unmarked = true }, plain, "update", ""},
		{"clear what nobody knows", state(ledger.Linked), update("plan", ""), nil, plain, "read", ""},
		{"overtaken", state(ledger.Linked), []*intent.Row{planRow(0, outbox.Updated, "", "company", "B")}, nil, plain, "settle", "skipped/overtaken"},
		{"nothing for HubSpot", state(ledger.Linked), []*intent.Row{{Entry: &outbox.Entry{ID: 5}, Event: outbox.Updated, Unmapped: 1}}, nil, plain, "settle", "skipped/not_mapped"},
		{"all refused", state(ledger.Linked), update("company", "B"), func(k *work) { k.hint.refuse(5, "company", "X") }, plain, "settle", "dead/invalid_property"},
		{"one refused", state(ledger.Linked), update("company", "B", "plan", "x"), func(k *work) { k.hint.refuse(5, "company", "X") }, plain, "update", ""},
		{"one refused, which is death", state(ledger.Linked), update("company", "B", "plan", "x"), func(k *work) { k.hint.refuse(5, "company", "X") }, with(func(f *facts) { f.dead = true }), "settle", "dead/invalid_property"},
		{"gone", state(ledger.Gone), update("company", "B"), nil, plain, "settle", "dead/contact_gone"},
		{"gone, registered anew", state(ledger.Gone), register(), nil, plain, "create", ""},
		{"purged", state(ledger.Purged), register(), nil, plain, "settle", "dead/contact_purged"},
		{"another lead's", state(ledger.Passive), update("company", "B"), nil, plain, "settle", "skipped/merged"},
		{"delete", state(ledger.Linked), one(outbox.Deleted, ""), nil, plain, "read", ""},
		{"delete, read", state(ledger.Linked), one(outbox.Deleted, ""), read, plain, "archive", ""},
		{"delete, a request may be under way", func() *ledger.Link {
			l := state(ledger.Linked)
			l.SecondLookAt = now.Add(time.Minute).UnixMilli()
			return l
		}(), one(outbox.Deleted, ""), read, plain, "settle", ""},
		{"delete of nothing", nothing(), one(outbox.Deleted, ""), nil, plain, "settle", ""},
		{"delete, an address to look for", func() *ledger.Link { l := nothing(); l.Address = "a@example.com"; return l }(), one(outbox.Deleted, ""), nil, plain, "look up", ""},
		{"the same, looked up", func() *ledger.Link { l := nothing(); l.Address = "a@example.com"; return l }(), one(outbox.Deleted, ""), looked, plain, "settle", ""},
		{"delete that came late", func() *ledger.Link { l := state(ledger.Linked); l.AppliedID = 9; return l }(), one(outbox.Deleted, ""), nil, plain, "settle", "skipped/overtaken"},
		{"a row before a delete", state(ledger.Linked), append(update("company", "B"), planRow(6, outbox.Deleted, "")), nil, plain, "update", ""},
		{"erase", state(ledger.Linked), append(update("company", "B"), planRow(6, outbox.Erased, "")), nil, plain, "erase", ""},
	} {
		k := &work{id: "a", link: c.link, hint: &hint{}, rows: c.rows, every: slices.Clone(c.rows)}
		if c.what != nil {
			c.what(k)
		}
		c.f.decide(k)
		ends := ""
		if len(k.ended) > 0 {
			ends = string(k.ended[0].State) + "/" + string(k.ended[0].Reason)
		}
		if got := opWords[k.plan.op]; got != c.want || ends != c.ends {
			t.Errorf("%s: %s, ended %q; want %s, %q", c.name, got, ends, c.want, c.ends)
		}
	}
}

// While a refusal that names nothing is tracked down only the first rows are folded, and for a new lead the row with
// the address.
func TestDecideFoldsFewer(t *testing.T) {
	f := facts{now: time.Now(), table: mapping.New(nil, "")}
	rows := func() []*intent.Row {
		return []*intent.Row{planRow(5, outbox.Updated, "", "x", "1"), planRow(6, outbox.Updated, "b@example.com"), planRow(7, outbox.Updated, "", "x", "2")}
	}
	for _, c := range []struct {
		link *ledger.Link
		take int
		want int64
	}{{linked("a", "A"), 1, 5}, {linked("a", "A"), 0, 7}, {&ledger.Link{}, 1, 6}, {&ledger.Link{}, 3, 7}} {
		k := &work{id: "a", link: c.link, hint: &hint{take: c.take}, rows: rows()}
		f.decide(k)
		if all := k.plan.all.Rows; len(all) == 0 || all[len(all)-1].Num() != c.want {
			t.Errorf("take %d of a lead that is %s: folded %d rows, want up to %d", c.take, c.link.State, len(all), c.want)
		}
	}
}
