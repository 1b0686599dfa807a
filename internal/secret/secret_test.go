package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const planted = "pat-na1-planted-value"

// holder has the secret where printers reach it by reflection only.
type holder struct {
	Public String
	hidden String
	Ptr    *String
	Map    map[string]String
	List   []String
}

func newHolder() holder {
	s := New(planted)
	return holder{Public: s, hidden: s, Ptr: &s, Map: map[string]String{"k": s}, List: []String{s}}
}

func TestG9SecretPrintsNowhere(t *testing.T) {
	h := newHolder()
	if !h.hidden.Equal(h.Public) {
		t.Fatal("the hidden field lost its content")
	}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T", "% x", "%10s"} {
		for _, value := range []any{h.Public, h.Ptr, h, &h, h.Map, h.List, struct{ s String }{h.hidden}} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
	}
	fmt.Fprintln(&out, h.Public, h, h.Public.String(), h.Public.GoString())
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(handler).Info("x", "secret", h.Public, "holder", h, slog.Group("g", "s", h.Public))
	}
	if err := json.NewEncoder(&out).Encode(h); err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	out.WriteString(fmt.Errorf("with %w", fmt.Errorf("inner %v", h.Public)).Error())

	got := out.String()
	for _, bad := range []string{planted, fmt.Sprintf("%x", planted), fmt.Sprintf("%X", planted), fmt.Sprintf("% x", planted)} {
		if strings.Contains(got, bad) {
			t.Errorf("printed the secret as %q", bad)
		}
	}
	if !strings.Contains(got, Placeholder) {
		t.Error("the placeholder is missing")
	}
}

func TestReveal(t *testing.T) {
	if got := New(planted).Reveal(); got != planted {
		t.Errorf("Reveal() = %q", got)
	}
	var zero String
	if zero.Reveal() != "" || !zero.Empty() || !New("").Empty() || New(planted).Empty() {
		t.Error("empty secrets are not told from set ones")
	}
	if got := fmt.Sprintf("[%v]", zero); got != "[]" {
		t.Errorf("the empty secret prints %q", got)
	}
	if !New("a").Equal(New("a")) || New("a").Equal(New("b")) || !zero.Equal(New("")) {
		t.Error("Equal is wrong")
	}
}
