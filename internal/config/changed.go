package config

import "reflect"

// Changed names the keys whose values differ between two configurations, in the order of the file. No value is told.
func Changed(a, b Config) []string {
	values := map[string]any{}
	keys(reflect.ValueOf(a), "", func(path string, v reflect.Value) { values[path] = v.Interface() })
	var out []string
	keys(reflect.ValueOf(b), "", func(path string, v reflect.Value) {
		section := v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[Subscriptions]()
		if !section && !reflect.DeepEqual(values[path], v.Interface()) {
			out = append(out, path)
		}
	})
	return out
}

// Place says where a key was set, as file and line or as a variable; the file alone for a key that has its default.
func (l *Loaded) Place(key string) string {
	if place := l.places[key]; place != "" {
		return place
	}
	return l.File
}
