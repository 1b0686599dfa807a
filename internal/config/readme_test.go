package config

import (
	"reflect"
	"strings"
	"testing"

	"leadsync/internal/readme"
)

// The README's table holds every configuration key.
func TestReadmeTable(t *testing.T) {
	page := readme.Text(t, "config/README.md")
	keys(reflect.ValueOf(Default()), "", func(path string, v reflect.Value) {
		group := v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[Subscriptions]()
		if !group && !strings.Contains(page, "`"+path+"`") {
			t.Errorf("config/README.md does not name the configuration key %s", path)
		}
	})
}
