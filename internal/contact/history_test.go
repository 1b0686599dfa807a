package contact

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
)

// at is a moment some seconds after a fixed one.
func at(seconds int) time.Time { return time.Unix(1_000_000+int64(seconds), 0) }

// past answers with the history of contact 1, of the properties that are asked for.
func past(history map[string][]hubspot.Revision) *hub {
	return &hub{read: func(r hubspot.ReadRequest) (*hubspot.BatchResult, error) {
		c := shown("1")
		c.History = map[string][]hubspot.Revision{}
		for p, all := range history {
			if slices.Contains(r.History, p) {
				c.History[p] = all
			}
		}
		return &hubspot.BatchResult{Results: []hubspot.Contact{shown("2"), c}}, nil
	}}
}

func app(value, id string) hubspot.Revision {
	return hubspot.Revision{Value: value, SourceType: "INTEGRATION", SourceID: id}
}

// A value is ours when an app put it there, and the one that wrote our own last value, as far as the history goes.
func TestOurs(t *testing.T) {
	person := hubspot.Revision{Value: "B", SourceType: "CRM_UI", SourceID: "7"}
	for _, c := range []struct {
		name    string
		history []hubspot.Revision
		want    bool
	}{
		{"no history", nil, false},
		{"a person's", []hubspot.Revision{person, app("A", "1")}, false},
		{"ours", []hubspot.Revision{app("B", "1"), app("A", "1")}, true},
		{"another app's", []hubspot.Revision{app("B", "2"), app("A", "1")}, false},
		{"an app's, and of ours nothing is known", []hubspot.Revision{app("B", "2"), person}, true},
		{"changed since the reading", []hubspot.Revision{app("C", "1"), app("B", "1")}, false},
	} {
		h := past(map[string][]hubspot.Revision{"company": c.history})
		v := &View{ID: "1", Values: map[string]string{"company": "B"}}
		for range 2 { // asked for once
			if got, err := reader(h).Ours(t.Context(), v, "company", "A"); got != c.want || err != nil {
				t.Errorf("%s: %t, %v", c.name, got, err)
			}
		}
		if len(h.asked) != 1 {
			t.Errorf("%s: asked %d times", c.name, len(h.asked))
		}
	}
}

// When a property changed is said by its history, and by the contact where there is none; that it is not there any more
// is no error. What the newest wins is asked for together.
func TestChangedAt(t *testing.T) {
	newest := mapping.New([]mapping.Field{{Lead: "company", Contact: "company", Winner: mapping.Newest}, {Lead: "plan", Contact: "plan", Winner: mapping.Newest}}, "")
	h := past(map[string][]hubspot.Revision{"company": {{At: at(5)}, {At: at(1)}}, "plan": {{}}})
	var lists [][]string
	answer := h.read
	h.read = func(r hubspot.ReadRequest) (*hubspot.BatchResult, error) {
		lists = append(lists, r.History)
		return answer(r)
	}
	r := reader(h)
	r.table = func() *mapping.Table { return newest }
	v := &View{ID: "1", UpdatedAt: at(9)}
	for property, want := range map[string]time.Time{"company": at(5), "plan": at(9)} {
		if got, err := r.ChangedAt(t.Context(), v, property); !got.Equal(want) || err != nil {
			t.Errorf("%s: %s, %v", property, got, err)
		}
	}
	if got, err := r.ChangedAt(t.Context(), v, "city"); !got.Equal(at(9)) || err != nil || fmt.Sprint(lists) != "[[company plan] [city]]" {
		t.Errorf("city: %s, %v, asked for %v", got, err, lists)
	}
	for _, fail := range []error{&hubspot.Error{Status: 404}, errors.New("away")} {
		r := reader(&hub{read: func(hubspot.ReadRequest) (*hubspot.BatchResult, error) { return nil, fail }})
		got, err := r.ChangedAt(t.Context(), &View{ID: "1", UpdatedAt: at(9)}, "company")
		if gone := NotFound(fail); gone != (err == nil) || gone && !got.Equal(at(9)) {
			t.Errorf("%v: %s, %v", fail, got, err)
		}
	}
}

// A contact was made by an app when its first address came from one, at the time or later; clocks may differ by a
// minute.
func TestMadeSince(t *testing.T) {
	made := func(source string, when time.Time) []hubspot.Revision {
		return []hubspot.Revision{{At: at(900), SourceType: "CRM_UI"}, {At: when, SourceType: source}}
	}
	for _, c := range []struct {
		name    string
		history []hubspot.Revision
		want    bool
	}{
		{"no history", nil, false},
		{"by an app, later", made("INTEGRATION", at(500)), true},
		{"by an app, a little before", made("INTEGRATION", at(50)), true},
		{"by an app, long before", made("INTEGRATION", at(30)), false},
		{"by a person", made("CRM_UI", at(500)), false},
	} {
		h := past(map[string][]hubspot.Revision{ledger.AddressField: c.history})
		if got, err := reader(h).MadeSince(t.Context(), &View{ID: "1"}, at(100).UnixMilli()); got != c.want || err != nil {
			t.Errorf("%s: %t, %v", c.name, got, err)
		}
	}
	gone := reader(&hub{read: func(hubspot.ReadRequest) (*hubspot.BatchResult, error) { return nil, &hubspot.Error{Status: 404} }})
	if got, err := gone.MadeSince(t.Context(), &View{ID: "1"}, 0); got || err != nil {
		t.Errorf("of one that is gone: %t, %v", got, err)
	}
	away := errors.New("away")
	silent := reader(&hub{read: func(hubspot.ReadRequest) (*hubspot.BatchResult, error) { return nil, away }})
	if _, err := silent.MadeSince(t.Context(), &View{ID: "1"}, 0); !errors.Is(err, away) {
		t.Errorf("%v", err)
	}
}
