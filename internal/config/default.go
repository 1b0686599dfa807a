package config

import "time"

// Default returns the configuration of an empty file. Each call returns an own copy.
func Default() Config {
	return Config{
		Portal:   "default",
		Database: Database{URL: "sqlite:///var/lib/leadsync/leadsync.db"},
		HubSpot: HubSpot{
			BaseURL:      "https://api.hubapi.com",
			AuthorizeURL: "https://app.hubspot.com/oauth/authorize",
			APIVersion:   "2026-09",
			Timeout:      15 * time.Second,
			Auth: Auth{
				Mode:             AuthOAuth,
				ClientSecretFile: "hubspot-client-secret",
				RedirectURL:      "http://localhost:8976/callback",
				Scopes: []string{"oauth", "crm.objects.contacts.read", "crm.objects.contacts.write",
					"crm.schemas.contacts.read", "communication_preferences.read_write"},
				TokenKeyFile:    "token-key",
				StaticTokenFile: "hubspot-token",
			},
			Limits: Limits{RequestsPer10s: 100, Daily: 250_000, Share: 0.9, SearchPerSecond: 5},
		},
		Push: Push{
			PollInterval: 250 * time.Millisecond, Linger: 50 * time.Millisecond,
			Concurrency: 4, MaxAttempts: 8, OnInvalidField: DropField, MaxDeletesPerHour: 100, SecondLook: 2 * time.Minute,
		},
		Pull: Pull{
			Schedule: "@every 1m", LaggedSchedule: "@every 15m", OptoutSchedule: "@every 1h", ArchivedSchedule: "@daily",
			Start: StartNow, Unknown: IgnoreUnknown,
		},
		Mapping:     Mapping{Fields: []Field{}},
		Consent:     Consent{Unsubscribe: Subscriptions{All: true}, Resubscribe: RefuseResubscribe},
		Erase:       Erase{Adopted: EraseAdopted},
		Retention:   Retention{Settled: 168 * time.Hour, Inbox: 168 * time.Hour},
		StopTimeout: 20 * time.Second,
		Log:         Log{Format: LogAuto, Level: LevelInfo, People: PeopleHash},
		Status:      Status{Listen: "127.0.0.1:8977", AlertAfter: 15 * time.Minute},
	}
}
