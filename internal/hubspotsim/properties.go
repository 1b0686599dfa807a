package hubspotsim

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Option is one allowed value of an enumeration.
type Option struct {
	Label        string `json:"label"`
	Value        string `json:"value"`
	Description  string `json:"description,omitempty"`
	DisplayOrder int    `json:"displayOrder"`
	Hidden       bool   `json:"hidden"`
}

// Property defines a contact property, in HubSpot's own words
// (https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide).
type Property struct {
	Name           string   `json:"name"`
	Label          string   `json:"label"`
	Description    string   `json:"description"`
	GroupName      string   `json:"groupName"`
	Type           string   `json:"type"`
	FieldType      string   `json:"fieldType"`
	Options        []Option `json:"options"`
	HasUniqueValue bool     `json:"hasUniqueValue"`
	Hidden         bool     `json:"hidden"`
	FormField      bool     `json:"formField"`
	DisplayOrder   int      `json:"displayOrder"`
	ReadOnly       bool     `json:"readOnly"` // modificationMetadata.readOnlyValue
	Calculated     bool     `json:"calculated"`
	Archived       bool     `json:"archived"`
}

// property is a Property with what the portal knows about it.
type property struct {
	Property
	hubspotDefined       bool
	createdAt, updatedAt int64
	options              map[string]int // value -> place
	// computed gives the value of a system property; nil = stored in the contact.
	computed func(*portal, *contact) string
	number   func(*contact, *view) int64 // of numberOf, or nil
	optout   *Subscription               // whose opt-out it shows, or nil
}

// index makes the option lookup; call it after each change of Options.
func (d *property) index() {
	d.options = make(map[string]int, len(d.Options))
	for i, o := range d.Options {
		d.options[o.Value] = i
	}
}

// read is the value a contact shows for the property; ok is false when it was never set (null on the wire).
func (d *property) read(p *portal, c *contact) (v string, ok bool) {
	if d.computed != nil {
		v = d.computed(p, c)
		return v, v != ""
	}
	return c.value(d)
}

func (p *portal) addProperty(def *property) {
	def.index()
	p.props[def.Name] = def
	p.propOrder = append(p.propOrder, def)
	if def.HasUniqueValue && def.computed == nil {
		p.unique[def] = map[string]int64{}
	}
	if def.computed != nil {
		p.system = append(p.system, def)
	}
}

// usable is the definition of a property that exists and is not archived.
func (p *portal) usable(name string) *property {
	if def := p.props[name]; def != nil && !def.Archived {
		return def
	}
	return nil
}

// maxUnique is HubSpot's ceiling of unique properties per object.
// https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide
const maxUnique = 10

var validName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)

// types are the field types each type allows. https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide
var types = map[string][]string{
	"string":       {"text", "textarea", "file", "html", "phonenumber", "calculation_equation"},
	"phone_number": {"phonenumber"},
	"number":       {"number", "calculation_equation"},
	"bool":         {"booleancheckbox", "calculation_equation"},
	"enumeration":  {"select", "radio", "checkbox", "booleancheckbox", "calculation_equation"},
	"date":         {"date"},
	"datetime":     {"date"},
}

// DefineProperty adds a property, or alters the one of that name: empty Label, Type and FieldType and nil Options leave
// what was there; ReadOnly and Archived are always taken. Whether it is unique cannot change. Values that contacts hold
// stay, also when their option is gone. Every other field of a new property has a default: text, in contactinformation.
func (s *Sim) DefineProperty(def Property) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().UnixMilli()
	if d := s.props[def.Name]; d != nil {
		if def.Type != "" && !slices.Contains(types[def.Type], orText(def.FieldType, d.FieldType)) {
			return fmt.Errorf("define property %s: type %q does not go with field type %q", def.Name, def.Type, orText(def.FieldType, d.FieldType))
		}
		d.Label, d.Type, d.FieldType = orText(def.Label, d.Label), orText(def.Type, d.Type), orText(def.FieldType, d.FieldType)
		if def.Options != nil {
			d.Options = def.Options
		}
		d.ReadOnly, d.Archived, d.updatedAt = def.ReadOnly, def.Archived, now
		d.index()
		return nil
	}
	_, err := s.createProperty(def, now)
	return err
}

func (p *portal) createProperty(def Property, now int64) (*property, error) {
	if !validName.MatchString(def.Name) {
		return nil, fmt.Errorf("define property: name %q is not lower-case letters, digits and underscores", def.Name)
	}
	def.Type, def.Label = orText(def.Type, "string"), orText(def.Label, def.Name)
	def.GroupName = orText(def.GroupName, "contactinformation")
	if def.FieldType == "" && len(types[def.Type]) > 0 {
		def.FieldType = types[def.Type][0]
	}
	if !slices.Contains(types[def.Type], def.FieldType) {
		return nil, fmt.Errorf("define property %s: type %q does not go with field type %q", def.Name, def.Type, def.FieldType)
	}
	if def.HasUniqueValue && len(p.unique) >= maxUnique {
		return nil, fmt.Errorf("define property %s: an object has at most %d unique properties", def.Name, maxUnique)
	}
	d := &property{Property: def, createdAt: now, updatedAt: now}
	p.addProperty(d)
	return d, nil
}

// Rule is a validation rule of the portal. It is enforced on the 2026-09 paths only
// (https://developers.hubspot.com/changelog/crm-api-write-validation-enforcement).
type Rule struct {
	// Property must have a value: on every create, or, when WhenProperty is set, on every write that sets it.
	Property string `json:"property"`
	// WhenProperty makes the rule conditional; WhenValue narrows it to one value, "" = any.
	WhenProperty string `json:"whenProperty,omitempty"`
	WhenValue    string `json:"whenValue,omitempty"`
}

// SetRules replaces the portal's rules; nil removes them all.
func (s *Sim) SetRules(rules []Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = slices.Clone(rules)
}

func orText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// defaultShown are the properties that an answer shows when none were asked for.
// https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm
var defaultShown = []string{"createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"}

// computedProperties are the system ones. Their values come from the record itself.
var computedProperties = map[string]func(*portal, *contact) string{
	"createdate":           func(_ *portal, c *contact) string { return isoTime(c.createdAt) },
	"lastmodifieddate":     func(_ *portal, c *contact) string { return isoTime(c.updatedAt) },
	"hs_object_id":         func(_ *portal, c *contact) string { return c.idText() },
	"hs_additional_emails": func(_ *portal, c *contact) string { return strings.Join(c.extra, ";") },
	"hs_merged_object_ids": func(_ *portal, c *contact) string { return joinIDs(c.merged) },
	"hs_all_contact_vids":  func(_ *portal, c *contact) string { return joinIDs(append([]int64{c.id}, c.merged...)) },
	"hs_email_domain": func(p *portal, c *contact) string {
		_, domain, _ := strings.Cut(p.primary(c), "@")
		return domain
	},
	// The opt-out belongs to the address, see subscriber: https://legacydocs.hubspot.com/docs/methods/email/update_status
	"hs_email_optout": func(p *portal, c *contact) string {
		return yes(p.wideOut(p.primary(c), 0) != nil)
	},
}
