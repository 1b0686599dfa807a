package hubspotsim

import "strings"

// The names and options are the usual ones of a new portal:
// https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide
const (
	textProperties = "email firstname lastname phone:phonenumber mobilephone:phonenumber fax:phonenumber jobtitle company website " +
		"address city state zip country message:textarea salutation industry annualrevenue degree school twitterhandle"
	numberProperties   = "graduation_year hubspotscore:read num_notes:read days_to_close:read"
	dateProperties     = "date_of_birth start_date"
	datetimeProperties = "closedate notes_last_contacted:read hs_last_sales_activity_timestamp:read"
)

// defaultProperties makes the definitions of a new portal.
func defaultProperties() []*property {
	var all []*property
	add := func(kind, fieldType, spec string) {
		for word := range strings.FieldsSeq(spec) {
			name, extra, _ := strings.Cut(word, ":")
			d := &property{hubspotDefined: true, Property: Property{
				Name: name, Label: label(name), GroupName: "contactinformation", Type: kind, FieldType: fieldType, FormField: true,
			}}
			switch extra {
			case "":
			case "read":
				d.ReadOnly = true
			default:
				d.FieldType = extra
			}
			all = append(all, d)
		}
	}
	add("string", "text", textProperties)
	add("number", "number", numberProperties)
	add("date", "date", dateProperties)
	add("datetime", "date", datetimeProperties)
	enum := func(name, fieldType string, values ...string) {
		d := &property{hubspotDefined: true, Property: Property{
			Name: name, Label: label(name), GroupName: "contactinformation", Type: "enumeration", FieldType: fieldType,
		}}
		for i, v := range values {
			d.Options = append(d.Options, Option{Label: label(v), Value: v, DisplayOrder: i})
		}
		all = append(all, d)
	}
	enum("lifecyclestage", "radio", "subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer",
		"evangelist", "other")
	enum("hs_lead_status", "radio", "NEW", "OPEN", "IN_PROGRESS", "OPEN_DEAL", "UNQUALIFIED", "ATTEMPTED_TO_CONTACT", "CONNECTED", "BAD_TIMING")
	enum("hs_language", "select", "de", "en", "es", "fr", "it", "ja", "nl", "pt")
	enum("hs_timezone", "select", "utc", "europe_slash_berlin", "america_slash_new_york", "asia_slash_tokyo")
	// Two of these have an en dash.
	enum("hs_legal_basis", "checkbox", "Legitimate interest – prospect/lead", "Legitimate interest – existing customer",
		"Legitimate interest - other", "Performance of a contract", "Freely given consent from contact", "Not applicable")
	system := func(kind, fieldType string, calculated bool, names ...string) {
		for _, name := range names {
			all = append(all, &property{hubspotDefined: true, computed: computedProperties[name], number: numberOf[name], Property: Property{
				Name: name, Label: label(name), GroupName: "contactinformation", Type: kind, FieldType: fieldType, ReadOnly: true, Calculated: calculated,
			}})
		}
	}
	system("datetime", "date", false, "createdate", "lastmodifieddate")
	system("number", "number", false, "hs_object_id")
	system("string", "text", false, "hs_additional_emails", "hs_merged_object_ids", "hs_all_contact_vids")
	system("string", "text", true, "hs_email_domain")
	system("bool", "booleancheckbox", false, "hs_email_optout")
	for _, d := range all {
		switch d.Name {
		case "hs_email_optout":
			d.Label = "Unsubscribed from all email"
			d.Options = yesNo
		case "hs_object_id":
			d.HasUniqueValue = true
		}
	}
	return all
}

// label makes a heading out of an internal name.
func label(name string) string {
	text := strings.ReplaceAll(strings.TrimPrefix(name, "hs_"), "_", " ")
	if text == "" {
		return name
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
