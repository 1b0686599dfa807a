package hubspotsim

import (
	"encoding/json"
	"net/http"
	"time"
)

// wireProperty is a definition as the properties API gives it
// (https://github.com/HubSpot/HubSpot-public-api-spec-collection, CRM properties, 2026-09).
type wireProperty struct {
	Name           string       `json:"name"`
	Label          string       `json:"label"`
	Type           string       `json:"type"`
	FieldType      string       `json:"fieldType"`
	Description    string       `json:"description"`
	GroupName      string       `json:"groupName"`
	Options        []Option     `json:"options"`
	DisplayOrder   int          `json:"displayOrder"`
	Calculated     bool         `json:"calculated"`
	External       bool         `json:"externalOptions"`
	HasUniqueValue bool         `json:"hasUniqueValue"`
	Hidden         bool         `json:"hidden"`
	HubSpotDefined bool         `json:"hubspotDefined,omitempty"`
	Archived       bool         `json:"archived"`
	FormField      bool         `json:"formField"`
	CreatedAt      string       `json:"createdAt"`
	UpdatedAt      string       `json:"updatedAt"`
	Modification   modification `json:"modificationMetadata"`
}

type modification struct {
	Archivable         bool `json:"archivable"`
	ReadOnlyDefinition bool `json:"readOnlyDefinition"`
	ReadOnlyOptions    bool `json:"readOnlyOptions"`
	ReadOnlyValue      bool `json:"readOnlyValue"`
}

func (d *property) wire() wireProperty {
	options := d.Options
	if options == nil {
		options = []Option{}
	}
	return wireProperty{
		Name: d.Name, Label: d.Label, Type: d.Type, FieldType: d.FieldType, Description: d.Description, GroupName: d.GroupName,
		Options: options, DisplayOrder: d.DisplayOrder, Calculated: d.Calculated, HasUniqueValue: d.HasUniqueValue,
		Hidden: d.Hidden, HubSpotDefined: d.hubspotDefined, Archived: d.Archived, FormField: d.FormField,
		CreatedAt: isoTime(d.createdAt), UpdatedAt: isoTime(max(d.createdAt, d.updatedAt)),
		Modification: modification{
			Archivable: !d.hubspotDefined, ReadOnlyDefinition: d.hubspotDefined,
			ReadOnlyOptions: d.hubspotDefined && d.ReadOnly, ReadOnlyValue: d.ReadOnly,
		},
	}
}

// propertiesCall lists, gives, creates, alters and archives definitions. What it answers for a taken, archived or
// unknown name was seen on a live portal (HubSpot vendor reference: properties and groups, API 2026-09).
func (s *Sim) propertiesCall(c *call) reply {
	ok := func(status int, v any) reply { return reply{status: status, body: mustJSON(v)} }
	if c.id == "" {
		switch c.method {
		case http.MethodGet:
			archived := c.query.Get("archived") == "true"
			all := make([]wireProperty, 0, len(s.propOrder))
			for _, d := range s.propOrder {
				if d.Archived == archived {
					all = append(all, d.wire())
				}
			}
			return ok(http.StatusOK, map[string]any{"results": all})
		case http.MethodPost:
			return s.postProperty(c)
		}
		return c.refuse(http.StatusMethodNotAllowed, problem{Message: "HTTP 405 Method Not Allowed"})
	}
	d := s.props[c.id]
	if d == nil || d.Archived != (c.query.Get("archived") == "true") {
		return c.refuse(http.StatusNotFound, problem{Message: "Property " + c.id + " does not exist", Category: categoryMissing})
	}
	switch c.method {
	case http.MethodGet:
		return ok(http.StatusOK, d.wire())
	case http.MethodDelete:
		d.Archived, d.updatedAt = true, c.now
		return reply{status: http.StatusNoContent}
	case http.MethodPatch:
		in := d.Property // options, when given, replace the whole list
		if err := json.Unmarshal(c.body, &in); err != nil {
			return c.badRequest(errBody.Error())
		}
		in.Name, in.HasUniqueValue, in.ReadOnly, in.Calculated, in.Archived = d.Name, d.HasUniqueValue, d.ReadOnly, d.Calculated, false
		d.Property, d.updatedAt = in, c.now
		d.index()
		return ok(http.StatusOK, d.wire())
	}
	return c.refuse(http.StatusMethodNotAllowed, problem{Message: "HTTP 405 Method Not Allowed"})
}

func (s *Sim) postProperty(c *call) reply {
	var in Property
	if err := json.Unmarshal(c.body, &in); err != nil {
		return c.badRequest(errBody.Error())
	}
	if in.GroupName == "" || in.Name == "" || in.Label == "" || in.Type == "" || in.FieldType == "" {
		return c.badRequest("groupName, name, label, type and fieldType are required")
	}
	d := s.props[in.Name]
	switch {
	case d != nil && !d.Archived:
		return c.refuse(http.StatusConflict, problem{Message: "A property named '" + in.Name + "' already exists.",
			Category: "OBJECT_ALREADY_EXISTS", Sub: "Properties.PROPERTY_WITH_NAME_EXISTS"})
	case d != nil:
		d.Archived, d.updatedAt = false, c.now
	default:
		in.ReadOnly, in.Calculated, in.Archived = false, false, false
		var err error
		if d, err = s.createProperty(in, c.now); err != nil {
			return c.badRequest(err.Error())
		}
	}
	return reply{status: http.StatusCreated, body: mustJSON(d.wire())}
}

// account answers account details and the use of the day.
// https://github.com/HubSpot/HubSpot-public-api-spec-collection, Account info, 2026-09
func (s *Sim) account(c *call) reply {
	now := time.UnixMilli(c.now)
	if c.id != "details" {
		return reply{status: http.StatusOK, body: mustJSON(map[string]any{"results": []any{map[string]any{
			"name": "private-apps-api-calls-daily", "usageLimit": s.cfg.Daily, "currentUsage": s.dayUsed, "fetchStatus": "SUCCESS",
			"collectedAt": isoTime(c.now), "resetsAt": isoTime(s.midnight(now).UnixMilli()),
		}}})}
	}
	_, offset := now.In(s.zone).Zone()
	return reply{status: http.StatusOK, body: mustJSON(map[string]any{
		"portalId": s.portal.id, "accountType": "DEVELOPER_TEST", "timeZone": s.zone.String(), "companyCurrency": "EUR",
		"additionalCurrencies": []string{}, "utcOffset": now.In(s.zone).Format("-07:00"), "utcOffsetMilliseconds": offset * 1000,
		"uiDomain": "app.hubspot.com", "dataHostingLocation": "na1",
	})}
}
