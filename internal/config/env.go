package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Prefix starts the name of every variable of leadsync.
const Prefix = "LEADSYNC_"

// FileVariable names the configuration file when --config does not.
const FileVariable = Prefix + "CONFIG"

// testPrefix starts the variables of the test suites, which are no configuration.
const testPrefix = Prefix + "TEST_"

// VariableOf is the environment variable of a key: push.linger is LEADSYNC_PUSH_LINGER.
func VariableOf(key string) string {
	return Prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// environment lays the LEADSYNC_ variables over cfg, sections before the keys inside them. It returns the warnings
// about variables that are nobody's.
func (d *decoder) environment(cfg *Config, environ []string) (warnings []string) {
	set := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, Prefix) && name != FileVariable && !strings.HasPrefix(name, testPrefix) {
			set[name] = value
		}
	}
	if len(set) == 0 {
		return nil
	}
	var names []string
	keys(reflect.ValueOf(cfg).Elem(), "", func(path string, v reflect.Value) {
		name := VariableOf(path)
		names = append(names, name)
		value, given := set[name]
		if !given {
			return
		}
		delete(set, name)
		d.variable = name
		d.fromVariable(v, value, path)
		d.variable = ""
	})
	for name := range set {
		text := name + " is no setting of leadsync and is ignored"
		if meant := nearest(name, names); meant != "" {
			text += fmt.Sprintf(", did you mean %s?", meant)
		}
		warnings = append(warnings, text)
	}
	slices.Sort(warnings)
	return warnings
}

// fromVariable sets v: a plain value is taken as it is, a list or a section is parsed as YAML.
func (d *decoder) fromVariable(v reflect.Value, value, path string) {
	d.places[path] = d.variable
	structured := v.Kind() == reflect.Slice || v.Kind() == reflect.Struct
	if !structured {
		if value == "" && v.Kind() != reflect.String {
			d.refuse(nil, path, "is empty, want %s; unset the variable to keep the file's value", kindName(v))
			return
		}
		if problem := setScalar(v, value, path); problem != "" {
			d.refuse(nil, path, "%s", problem)
		}
		return
	}
	if root := d.parse([]byte(value), path); root != nil {
		d.node(root, v, path)
	}
}
