package storetest

import (
	"errors"
	"fmt"

	"leadsync/internal/settlement"
	"leadsync/internal/store"
)

// keyStandsByItsTombstones: while anybody is erased no key is made in place of one that is gone, and none is taken for
// another; a key that is sealed anew is the same one, and without tombstones a new one may be made.
func keyStandsByItsTombstones(e *env) {
	const name = "person hash"
	made := 0
	mk := func() (string, error) { made++; return fmt.Sprint("sealed once, key ", made), nil }
	mark := func(value string) (string, error) {
		if value == "broken" {
			return "", errors.New("broken seal")
		}
		return "mark of " + value[len("sealed once, "):], nil
	}
	get := func(mk func() (string, error)) (string, error) {
		return e.db.Tokens().PersonKey(e.Context(), name, mk, mark)
	}
	set := func(text string, args ...any) {
		_, err := e.app.ExecContext(e.Context(), text, args...)
		e.must(err)
	}
	erase := func() {
		l := e.acquire("one")
		defer l.Release(e.Context()) //nolint:errcheck // ends with the test
		e.must(own(e.db, l, 5).Entomb(e.Context(), 7, settlement.Person{Lead: "lead-ada"}))
	}
	v, err := get(nil)
	e.must(err)
	if v != "" || made != 0 {
		e.Errorf("looking made %q", v)
	}
	first, err := get(mk)
	e.must(err)

	// Lost while nobody is erased: a new one, and it is the one from then on.
	set(`DELETE FROM leadsync_keys`)
	second, err := get(mk)
	e.must(err)
	if first == second || made != 2 {
		e.Errorf("%q, then %q", first, second)
	}
	erase()
	for range 2 {
		v, err = get(mk)
		e.must(err)
		if v != second {
			e.Errorf("%q, want %q", v, second)
		}
	}
	// Sealed anew it is the same.
	set(`UPDATE leadsync_keys SET value = 'sealed anew, key 2'`)
	_, err = get(mk)
	e.must(err)

	// Another one, from elsewhere; a broken one; none.
	for text, want := range map[string]error{`UPDATE leadsync_keys SET value = 'sealed once, key 9'`: store.ErrKeyReplaced,
		`UPDATE leadsync_keys SET value = 'broken'`: errAny, `DELETE FROM leadsync_keys`: store.ErrKeyLost} {
		set(text)
		for _, f := range []func() (string, error){mk, nil} {
			if v, err := get(f); err == nil || want != errAny && !errors.Is(err, want) {
				e.Errorf("%s: %q, %v", text, v, err)
			}
		}
		set(`DELETE FROM leadsync_keys`)
		set(`INSERT INTO leadsync_keys (name, value) VALUES ('person hash', 'sealed once, key 2')`)
	}
	if made != 2 {
		e.Errorf("%d keys were made", made)
	}
	// The way out.
	set(`DELETE FROM leadsync_keys`)
	set(`DELETE FROM leadsync_tombstones`)
	_, err = get(mk)
	e.must(err)

	// A database from before keys were marked: the key that is there is the one.
	erase()
	set(`DELETE FROM leadsync_tombstones WHERE kind = 'key'`)
	v, err = get(mk)
	e.must(err)
	set(`UPDATE leadsync_keys SET value = 'sealed once, key 9'`)
	if _, err := get(mk); !errors.Is(err, store.ErrKeyReplaced) {
		e.Errorf("%q was taken for another: %v", v, err)
	}
}

var errAny = errors.New("any")
