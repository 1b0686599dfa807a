package hubspotsim

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// rowError is why one row was refused.
type rowError struct {
	status   int
	category string
	message  string
	bads     []bad    // refused values
	details  []detail // of portal rules
}

// invalid is the refusal of values. The JSON array inside the message names all of them
// (https://developers.hubspot.com/docs/guides/crm/using-object-apis).
func (s *Sim) invalid(bads []bad) *rowError {
	type inner struct {
		IsValid   bool   `json:"isValid"`
		Message   string `json:"message"`
		Error     string `json:"error"`
		Name      string `json:"name"`
		Localized string `json:"localizedErrorMessage"`
		Portal    int64  `json:"portalId"`
	}
	list := make([]inner, len(bads))
	for i, b := range bads {
		list[i] = inner{false, b.message, b.code, b.name, b.message, s.portal.id}
	}
	return &rowError{status: http.StatusBadRequest, category: categoryValidation, bads: bads,
		message: "Property values were not valid: " + string(mustJSON(list))}
}

// exists is the conflict of an address: the id of the contact that has it is in the text only.
// https://github.com/HubSpot/hubspot-api-nodejs/issues/545
func exists(c *contact) *rowError {
	e := &rowError{status: http.StatusConflict, category: categoryConflict, message: "Contact already exists"}
	if c != nil {
		e.message += ". Existing ID: " + c.idText()
	}
	return e
}

// errors is errors[] of a body.
func (e *rowError) errors() []detail {
	all := slices.Clone(e.details)
	for _, b := range e.bads {
		all = append(all, detail{b.message, b.code, map[string][]string{"propertyName": {b.name}}})
	}
	return all
}

// check turns a row's properties into settings for target (nil = a new contact), or says why not.
func (s *Sim) check(c *call, r *row, target *contact) ([]setting, *rowError) {
	var bads []bad
	var conflict *rowError
	r.warnings = nil
	sets := make([]setting, 0, len(r.Properties)+1)
	for _, name := range slices.Sorted(maps.Keys(r.Properties)) {
		v := r.Properties[name]
		def := s.usable(name)
		switch {
		case def == nil:
			bads = append(bads, bad{name, codeUnknown, "Property \"" + name + "\" does not exist"})
			continue
		case v.null:
			// null is answered 200 and ignored: https://github.com/HubSpot/hubspot-api-nodejs/issues/324
			continue
		case def.Calculated:
			bads = append(bads, bad{name, codeReadOnly, "\"" + name + "\" is a calculated property; its value cannot be set."})
			continue
		case def.ReadOnly:
			bads = append(bads, bad{name, codeReadOnly, "\"" + name + "\" is a read only property; its value cannot be set"})
			continue
		}
		var have string
		if target != nil {
			have, _ = target.value(def)
		}
		value, warn, wrong := s.coerce(def, c, have, v.text)
		if wrong == nil && def == s.email && r.poison == "invalid" {
			wrong = &bad{name, codeEmail, "Email address " + v.text + " is invalid"}
		}
		if wrong == nil && value != "" && s.unique[def] != nil {
			if owner, ok := s.unique[def][value]; ok && (target == nil || owner != target.id) {
				wrong = &bad{name, codeTaken, "Cannot set \"" + name + "\": contact " + joinIDs([]int64{owner}) + " already has that value."}
			}
		}
		if wrong != nil {
			bads = append(bads, *wrong)
			continue
		}
		if warn != nil {
			r.warnings = append(r.warnings, *warn)
		}
		if def == s.email && value != "" {
			conflict = s.addressFree(value, target)
		}
		if def == s.stage && backwards(def, have, value) {
			continue
		}
		sets = append(sets, setting{def, value})
	}
	switch {
	case r.poison == "invalid" && len(bads) == 0:
		bads = append(bads, bad{"email", codeEmail, "Email address is invalid"})
	case r.poison == "refused":
		return nil, &rowError{status: http.StatusBadRequest, category: categoryValidation, message: "The row cannot be processed"}
	}
	if len(bads) > 0 {
		return nil, s.invalid(bads)
	}
	if e := s.checkRules(c, sets, target); e != nil {
		return nil, e
	}
	if target == nil && !slices.ContainsFunc(sets, func(one setting) bool {
		return one.value != "" && (one.def == s.email || one.def == s.first || one.def == s.last)
	}) {
		// https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide; the body is not documented.
		return nil, &rowError{status: http.StatusBadRequest, category: categoryValidation,
			message: "At least one of email, firstname and lastname is required"}
	}
	return sets, conflict
}

// addressFree says who stands in the way of giving an address to target (nil = a new contact). Additional addresses
// count too: https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide
func (s *Sim) addressFree(address string, target *contact) *rowError {
	owner := s.byEmail[address]
	if owner == nil && s.quirks.ArchivedConflicts {
		if owner = s.archived[address]; owner != nil && !owner.binned(s.now().UnixMilli()) {
			owner = nil
		}
	}
	if owner == nil || owner == target {
		return nil
	}
	if target != nil && s.quirks.TakenIs400 {
		return s.invalid([]bad{{"email", codeTaken, "A contact with the email '" + address + "' already exists: " + owner.idText() + " already has that value."}})
	}
	return exists(owner)
}

// backwards: a lifecycle stage only moves forward, and the attempt is answered as a success
// (https://integrate.hubspot.com/t/update-lifecycle-stage-using-api/1333); clearing it is allowed.
func backwards(def *property, have, value string) bool {
	from, known := def.options[have]
	to, ok := def.options[value]
	return known && ok && to < from
}

// checkRules applies the portal's own rules, on the 2026-09 paths only
// (https://developers.hubspot.com/changelog/crm-api-write-validation-enforcement).
func (s *Sim) checkRules(c *call, sets []setting, target *contact) *rowError {
	if c.api != api202609 {
		return nil
	}
	after := func(name string) string {
		for _, one := range sets {
			if one.def.Name == name {
				return one.value
			}
		}
		if def := s.props[name]; def != nil && target != nil {
			v, _ := def.read(&s.portal, target)
			return v
		}
		return ""
	}
	var details []detail
	for _, rule := range s.rules {
		code, message := codeRequired, "A value for "+rule.Property+" must be provided"
		applies := rule.WhenProperty == "" && target == nil
		if rule.WhenProperty != "" {
			code = codeWhen
			message = rule.Property + " is required because of a conditional property rule based on [" + rule.WhenProperty + "]"
			applies = slices.ContainsFunc(sets, func(one setting) bool {
				return one.def.Name == rule.WhenProperty && one.value != "" && (rule.WhenValue == "" || one.value == rule.WhenValue)
			})
		}
		if applies && after(rule.Property) == "" {
			details = append(details, detail{message, code, map[string][]string{"propertyName": {rule.Property}}})
		}
	}
	if details == nil {
		return nil
	}
	return &rowError{status: http.StatusBadRequest, category: categoryValidation, message: "The property values provided are invalid", details: details}
}

// apply stores settings, keeps the indexes, and says whether anything changed.
func (s *Sim) apply(c *contact, sets []setting, now int64, by *source) bool {
	changed := false
	for _, one := range sets {
		was, _ := c.value(one.def)
		if !s.set(c, one.def, one.value, now, by) {
			continue
		}
		changed = true
		if one.def == s.email {
			if s.blocked[one.value] && by != portalUser {
				s.stats.Erased++
			}
			s.moveAddress(c, was, one.value)
			s.mail(c, now)
		}
		if index := s.unique[one.def]; index != nil {
			if was != "" {
				delete(index, was)
			}
			if one.value != "" {
				index[one.value] = c.id
			}
		}
	}
	if changed {
		s.touch(c, now, true)
	}
	return changed
}

// moveAddress keeps the index after the primary address changed. Where the new one was an additional address of the
// same contact, the two change places.
func (s *Sim) moveAddress(c *contact, was, is string) {
	swap := slices.Contains(c.extra, is)
	if swap {
		c.extra = slices.DeleteFunc(slices.Clone(c.extra), func(a string) bool { return a == is })
	}
	if was != "" {
		if swap || s.quirks.KeepOldAddress {
			c.extra = append(c.extra, was)
		} else {
			delete(s.byEmail, was)
		}
	}
	if is != "" {
		s.byEmail[is] = c
	}
}

// apiSource is who history names for a write of an app: INTEGRATION and the numeric app id.
// Seen in captures of propertiesWithHistory (ballerina example data, public GitHub index).
func (s *Sim) apiSource() *source {
	if id := strconv.FormatInt(s.appID, 10); s.byAPI == nil || s.byAPI.id != id {
		s.byAPI = &source{"INTEGRATION", id}
	}
	return s.byAPI
}

// findAddress looks a contact up by address; strict leaves out additional ones.
func (s *Sim) findAddress(address string, strict bool) *contact {
	address = strings.Trim(normalAddress(address), "<>")
	c := s.byEmail[address]
	if c != nil && strict && s.primary(c) != address {
		return nil
	}
	return c
}
