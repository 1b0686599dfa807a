package hubspot

import (
	"context"
	"fmt"
	"net/http"
)

// OpCreateProperty is the name of CreateContactProperty in errors and logs. Its scope is crm.schemas.contacts.write,
// which leadsync does not ask for by itself.
const OpCreateProperty = "create_property"

// groupOfContacts is the group of properties that every account has.
// https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide (read 2026-11-22), as are the required keys
// below.
const groupOfContacts = "contactinformation"

// NewProperty is a text property to make.
type NewProperty struct {
	Name        string // lower-case letters, digits and underscores, starting with a letter
	Label       string
	Description string
	Unique      bool // cannot be changed later; an account has room for ten
}

// CreateContactProperty makes a property of contacts and gives it as HubSpot shows it: a name that was archived is
// restored with the definition that it had (seen in practice), so Unique may not be what was asked for. A name that is
// taken is ClassConflict.
func (c *Client) CreateContactProperty(ctx context.Context, p NewProperty) (Property, error) {
	if p.Name == "" || p.Label == "" {
		return Property{}, misuse(OpCreateProperty, "no name or no label")
	}
	got, err := c.do(ctx, OpCreateProperty, http.MethodPost, fmt.Sprintf(pathProperties, c.version), encode(struct {
		Group       string `json:"groupName"`
		Name        string `json:"name"`
		Label       string `json:"label"`
		Description string `json:"description"`
		Type        string `json:"type"`
		FieldType   string `json:"fieldType"`
		FormField   bool   `json:"formField"`
		Unique      bool   `json:"hasUniqueValue"`
	}{groupOfContacts, p.Name, p.Label, p.Description, "string", "text", false, p.Unique}))
	if err != nil {
		return Property{}, err
	}
	list, err := decodeProperties([]byte(`{"results":[` + string(got.body) + `]}`))
	if err != nil || list[0].Name != p.Name {
		return Property{}, garbled(OpCreateProperty, got, errGarbled)
	}
	return list[0], nil
}
