package main

import _ "leadsync/internal/testnet" // tests reach no other machine
