package openapi

import (
	"net/http"
	"testing"

	"leadsync/internal/hubspot"
	"leadsync/internal/hubspotsim"
)

// TestCreatePropertyFitsHubSpotsDocuments is what `doctor --create-id-property` sends, made, taken and refused.
func TestCreatePropertyFitsHubSpotsDocuments(t *testing.T) {
	docs := documentsOf(t)
	for _, version := range versions {
		onStage(t, version, hubspotsim.Config{}, func(inner http.RoundTripper) http.RoundTripper { return Check(t, inner) }, func(s *stage) {
			s.done("scopes", s.sim.SetScopes("", []string{"oauth", "crm.objects.contacts.read", "crm.schemas.contacts.write"}))
			p := hubspot.NewProperty{Name: "app_lead_id", Label: "Lead id of the application", Description: "Written by leadsync.", Unique: true}
			made, err := s.good().CreateContactProperty(s.Context(), p)
			s.done("create", err)
			if !made.HasUniqueValue {
				s.Errorf("%s: made %+v", version, made)
			}
			if _, err = s.good().CreateContactProperty(s.Context(), p); hubspot.Classify(err) != hubspot.ClassConflict {
				s.Errorf("%s: a second time: %v", version, err)
			}
			s.done("scopes", s.sim.SetScopes("", []string{"oauth", "crm.objects.contacts.read"}))
			if _, err = s.good().CreateContactProperty(s.Context(), p); hubspot.Classify(err) != hubspot.ClassScope {
				s.Errorf("%s: without the scope: %v", version, err)
			}
		})
		if docs == nil {
			continue
		}
		op := docs[version]["properties"].api.Paths.Value("/crm/properties/" + version + "/{objectType}").Post
		found := false
		for _, one := range *op.Security {
			names := one["oauth2"]
			found = found || len(names) == 1 && names[0] == hubspot.ScopesFor(hubspot.OpCreateProperty)[0]
		}
		if !found {
			t.Errorf("%s: the document does not name the scope %v", version, hubspot.ScopesFor(hubspot.OpCreateProperty))
		}
	}
}
