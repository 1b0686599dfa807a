package doctor

import (
	"context"
	"fmt"
	"slices"

	"leadsync/internal/config"
	"leadsync/internal/hubspot"
	"leadsync/internal/mapping"
)

// properties holds the mapped fields and the id property against the account's definitions.
func (r *Report) properties(ctx context.Context, in Input) {
	r.looked()
	defs, err := in.Hub.ContactProperties(ctx)
	if err != nil {
		r.refused(checkProperties, "the definitions of contact properties cannot be read", "values are sent unchecked, and HubSpot refuses whole rows for one of them", err)
		return
	}
	cfg := in.Config.Mapping
	problems := tableOf(cfg).With(defs).Problems()
	for range cfg.Fields {
		r.looked()
	}
	for _, p := range problems {
		if p.Lead != "" {
			why, cure := adviceOf(p.Code, p.Contact)
			r.wrong(checkProperties, p.String(), why, cure)
		}
	}
	for _, f := range cfg.Fields {
		i := slices.IndexFunc(defs, func(d hubspot.Property) bool { return d.Name == f.Contact })
		if i >= 0 && defs[i].Type == "enumeration" && len(defs[i].Options) == 0 && f.Direction != config.DirectionPull {
			r.note(checkProperties, "mapping.fields "+f.Lead+" -> "+f.Contact+": the property is a choice without options", "HubSpot refuses every value",
				"add options in HubSpot: Settings, Properties, "+f.Contact)
		}
	}
	r.idProperty(ctx, in, defs, problems)
}

func tableOf(m config.Mapping) *mapping.Table {
	fields := make([]mapping.Field, len(m.Fields))
	for i, f := range m.Fields {
		fields[i] = mapping.Field{Lead: f.Lead, Contact: f.Contact, Direction: mapping.Direction(f.Direction), Winner: mapping.Winner(f.Winner)}
	}
	return mapping.New(fields, m.IDProperty)
}

// adviceOf says what follows from a problem of a mapped field, and what cures it.
func adviceOf(code, property string) (why, cure string) {
	why = "the field is left out of every row"
	switch code {
	case mapping.CodeDoesntExist:
		return why, "create it in HubSpot (Settings, Properties, Contact properties) with the internal name " + property + ", or correct the name in mapping.fields"
	case mapping.CodeArchived:
		return why, "restore it in HubSpot (Settings, Properties, Archived), or take it out of mapping.fields"
	case mapping.CodeReadOnly:
		return why, "HubSpot computes it: set direction: pull, or map another property"
	case mapping.CodeMappedTwice:
		return "only the last of the two counts", "keep one of the lines of mapping.fields that name " + property
	}
	return why, "correct mapping.fields"
}

// The words about the id property.
const (
	whyID       = "contacts cannot be found by lead_id: every row that needs it is refused"
	idLabel     = "Lead id of the application"
	idDescribes = "Written by leadsync: the application's own id of the person. Do not edit."
)

// idProperty looks at mapping.id_property, and makes it when that was asked for.
func (r *Report) idProperty(ctx context.Context, in Input, defs []hubspot.Property, problems []mapping.Problem) {
	name := in.Config.Mapping.IDProperty
	if name == "" {
		if in.CreateIDProperty {
			r.wrong(checkProperties, "--create-id-property has nothing to create: mapping.id_property is empty", "contacts are found by address",
				"set mapping.id_property: app_lead_id (or another name), then run this again")
		}
		return
	}
	r.looked()
	code := ""
	for _, p := range problems {
		if p.Lead == "" {
			code = p.Code
		}
	}
	switch code {
	case "":
		if in.CreateIDProperty {
			r.note(checkProperties, "mapping.id_property "+name+" is there already and was not created", "it is as it must be", "none needed")
		}
		if i := slices.IndexFunc(defs, func(d hubspot.Property) bool { return d.Name == name }); i >= 0 && defs[i].Type != "string" {
			r.note(checkProperties, fmt.Sprintf("mapping.id_property %s is of type %s", name, defs[i].Type), "a lead_id that is no "+defs[i].Type+" is refused",
				"take a text property, if lead ids are not all of that kind")
		}
		return
	case mapping.CodeDoesntExist:
		if !in.CreateIDProperty {
			r.wrong(checkProperties, "mapping.id_property "+name+" does not exist in the account", whyID,
				"let it be created: leadsync doctor --create-id-property (needs the scope crm.schemas.contacts.write); or create a text property that requires unique values in HubSpot")
			return
		}
		r.create(ctx, in, name)
	case mapping.CodeNotUnique:
		r.wrong(checkProperties, "mapping.id_property "+name+" does not require unique values", whyID,
			"HubSpot cannot change that afterwards: choose a new name for mapping.id_property and run `leadsync doctor --create-id-property`")
	case mapping.CodeReadOnly:
		r.wrong(checkProperties, "mapping.id_property "+name+" is read-only", whyID, "choose a new name for mapping.id_property and run `leadsync doctor --create-id-property`")
	default:
		r.wrong(checkProperties, "mapping.id_property "+name+": "+code, whyID, "restore it in HubSpot (Settings, Properties, Archived), or choose a new name")
	}
}

// create makes the id property and believes only what HubSpot shows of it.
func (r *Report) create(ctx context.Context, in Input, name string) {
	made, err := in.Hub.CreateContactProperty(ctx, hubspot.NewProperty{Name: name, Label: idLabel, Description: idDescribes, Unique: true})
	switch {
	case err != nil && hubspot.OutcomeUnknown(err):
		r.wrong(checkProperties, "whether mapping.id_property "+name+" was created is not known: "+err.Error(), whyID, "run `leadsync doctor` again: it looks")
	case err != nil:
		r.refused(checkProperties, "mapping.id_property "+name+" was not created", whyID, err)
	case !made.HasUniqueValue || made.ReadOnlyValue:
		r.wrong(checkProperties, "HubSpot restored an archived property "+name+", which does not require unique values", whyID,
			"archive it again and choose a new name for mapping.id_property")
	default:
		r.note(checkProperties, "mapping.id_property "+name+" was created, with unique values", "contacts are found by lead_id from now on", "none needed; a running daemon sees it within a day, or at its next start")
	}
}
