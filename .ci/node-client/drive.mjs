// Drives `leadsync simulate` with HubSpot's own Node client, @hubspot/api-client, and holds every answer to what HubSpot documents.
// The client was written by HubSpot for HubSpot: what it reads out of our simulator is what it would read out of the real thing, so
// this keeps simulator and leadsync from sharing one misunderstanding. The client speaks the v3 paths and OAuth v1; the dated
// paths, which leadsync uses, go through its generic apiRequest at the end.
//
// It takes SIM_URL, SIM_ADMIN_URL, SIM_PORTAL_ID, SIM_STATIC_TOKEN, SIM_CLIENT_ID, SIM_CLIENT_SECRET and SIM_REFRESH_TOKEN, as
// simulate prints them with --latency 0 --index-lag 0s, from an empty account. It exits 0 when all steps went as they must.
import assert from 'node:assert/strict'
import { Client } from '@hubspot/api-client'

const env = (name) => process.env[name] || assert.fail(`${name} is not set`)
const basePath = env('SIM_URL')
assert.match(basePath, /^http:\/\/127\.0\.0\.1:/) // never HubSpot itself
const client = new Client({ basePath, numberOfApiCallRetries: 3 })
let contacts // of the client as it is since its last setAccessToken
let steps = 0

function use(token) {
  client.setAccessToken(token)
  contacts = client.crm.contacts
}

async function step(name, run) {
  try {
    await run()
  } catch (error) {
    console.error(`FAILED: ${name}`)
    throw error
  }
  steps++
  console.log(`ok: ${name}`)
}

// refused wants the client to throw for a status, and gives the body that it read.
async function refused(status, promise) {
  const error = await promise.then(() => assert.fail(`wanted a refusal with ${status}`), (e) => e)
  assert.equal(error.code, status, error.stack)
  return error.body
}

const addresses = (answer) => answer.results.map((one) => one.properties.email).sort()
const admin = async (path, body) => {
  const answer = await fetch(`${env('SIM_ADMIN_URL')}/${path}`, body === undefined ? {} : { method: 'POST', body })
  assert.equal(answer.status, 200, path)
  return answer.text()
}

let ada, made

await step('refresh: the OAuth token', async () => {
  const tokens = client.oauth.tokensApi
  const ask = (refresh, secret = env('SIM_CLIENT_SECRET')) =>
    tokens.create('refresh_token', undefined, 'http://localhost:8976/callback', env('SIM_CLIENT_ID'), secret, refresh)
  const answer = await ask(env('SIM_REFRESH_TOKEN'))
  assert.equal(answer.tokenType, 'bearer')
  assert.equal(answer.expiresIn, 1800)
  assert.equal(answer.refreshToken, env('SIM_REFRESH_TOKEN'))
  use(answer.accessToken)

  const access = await client.oauth.accessTokensApi.get(answer.accessToken)
  assert.equal(access.hubId, Number(env('SIM_PORTAL_ID')))
  assert.ok(access.expiresIn > 0 && access.expiresIn <= 1800)
  assert.ok(access.scopes.includes('crm.objects.contacts.write'))
  const refresh = await client.oauth.refreshTokensApi.get(answer.refreshToken)
  assert.equal(refresh.clientId, env('SIM_CLIENT_ID'))

  assert.equal((await refused(400, ask('no-such-token'))).status, 'BAD_REFRESH_TOKEN')
  assert.equal((await refused(400, ask(env('SIM_REFRESH_TOKEN'), 'no-such-secret'))).status, 'BAD_CLIENT_SECRET')
})

await step('create', async () => {
  const one = await contacts.basicApi.create({ properties: { email: 'Ada@Example.com', firstname: 'Ada' }, associations: [] })
  ada = one.id
  assert.match(ada, /^[0-9]+$/)
  assert.equal(one.properties.email, 'ada@example.com')
  assert.equal(one.archived, false)
  assert.ok(one.createdAt instanceof Date && !Number.isNaN(one.createdAt.getTime()))
})

await step('create of a taken address: 409', async () => {
  const body = await refused(409, contacts.basicApi.create({ properties: { email: 'ada@example.com' }, associations: [] }))
  assert.equal(body.category, 'CONFLICT')
  assert.match(body.message, new RegExp(`Existing ID: ${ada}$`))
  assert.match(body.correlationId, /^[0-9a-f-]{36}$/)
})

await step('create with bad values: 400', async () => {
  const body = await refused(400, contacts.basicApi.create({ properties: { email: 'grace@example.org', no_such_property: '1', hs_language: 'klingon' }, associations: [] }))
  assert.equal(body.category, 'VALIDATION_ERROR')
  assert.deepEqual(body.errors.map((one) => one.code).sort(), ['INVALID_OPTION', 'PROPERTY_DOESNT_EXIST'])
})

await step('batch create, partly refused: 207', async () => {
  const input = (trace, properties) => ({ properties, associations: [], objectWriteTraceId: trace })
  const answer = await contacts.batchApi.create({ inputs: [
    input('row-1', { email: 'grace@example.org', firstname: 'Grace' }),
    input('row-2', { email: 'ada@example.com' }),
    input('row-3', { email: 'no address' }),
    input('row-4', { email: 'joan@example.net', lastname: 'Clarke' }),
  ] })
  assert.equal(answer.constructor.name, 'BatchResponseSimplePublicObjectWithErrors')
  assert.equal(answer.status, 'COMPLETE')
  assert.deepEqual(addresses(answer), ['grace@example.org', 'joan@example.net'])
  assert.equal(answer.numErrors, 2)
  const by = Object.fromEntries(answer.errors.map((one) => [one.context.objectWriteTraceId[0], one]))
  assert.deepEqual(Object.keys(by).sort(), ['row-2', 'row-3'])
  assert.equal(by['row-2'].category, 'CONFLICT')
  assert.equal(by['row-3'].category, 'VALIDATION_ERROR')
  assert.ok(answer.startedAt instanceof Date && answer.completedAt instanceof Date)
  made = Object.fromEntries(answer.results.map((one) => [one.properties.email, one.id]))
})

await step('batch create without trace ids: refused as a whole', async () => {
  await refused(409, contacts.batchApi.create({ inputs: [
    { properties: { email: 'ada@example.com' }, associations: [] }, { properties: { email: 'whole@example.com' }, associations: [] }] }))
  await refused(404, contacts.basicApi.getById('whole@example.com', undefined, undefined, undefined, false, 'email'))
})

await step('batch upsert by address', async () => {
  const input = (email, lastname) => ({ id: email, idProperty: 'email', properties: { email, lastname }, objectWriteTraceId: email })
  const answer = await contacts.batchApi.upsert({ inputs: [input('ada@example.com', 'Lovelace'), input('katherine@example.com', 'Johnson')] })
  assert.deepEqual(Object.fromEntries(answer.results.map((one) => [one.properties.email, one._new])), { 'ada@example.com': false, 'katherine@example.com': true })
  assert.equal(answer.results.find((one) => !one._new).id, ada)
})

await step('update, by id and by address', async () => {
  const one = await contacts.basicApi.update(ada, { properties: { jobtitle: 'Engineer' } })
  assert.equal(one.properties.jobtitle, 'Engineer')
  await contacts.basicApi.update('grace@example.org', { properties: { jobtitle: 'Admiral' } }, 'email')
  await refused(404, contacts.basicApi.update('999999999', { properties: { jobtitle: 'x' } }))
})

await step('batch update, one id unknown: 207', async () => {
  const answer = await contacts.batchApi.update({ inputs: [
    { id: made['joan@example.net'], properties: { jobtitle: 'Analyst' }, objectWriteTraceId: 'row-1' },
    { id: '999999999', properties: { jobtitle: 'x' }, objectWriteTraceId: 'row-2' }] })
  assert.deepEqual(answer.results.map((one) => one.id), [made['joan@example.net']])
  assert.equal(answer.errors[0].category, 'OBJECT_NOT_FOUND')
  assert.deepEqual(answer.errors[0].context.ids, ['999999999'])
})

await step('read', async () => {
  const one = await contacts.basicApi.getById(ada, ['email', 'lastname', 'jobtitle', 'phone'], ['jobtitle'])
  assert.equal(one.properties.lastname, 'Lovelace')
  assert.equal(one.properties.jobtitle, 'Engineer')
  assert.equal(one.properties.phone, null)
  assert.equal(one.propertiesWithHistory.jobtitle[0].value, 'Engineer')
  assert.equal((await contacts.basicApi.getById('GRACE@example.org', ['jobtitle'], undefined, undefined, false, 'email')).properties.jobtitle, 'Admiral')
  await refused(404, contacts.basicApi.getById('999999999'))
})

await step('batch read, by address: 207 for the missing one', async () => {
  const answer = await contacts.batchApi.read({ inputs: [{ id: 'ada@example.com' }, { id: 'nobody@example.com' }], idProperty: 'email', properties: ['email'], propertiesWithHistory: [] })
  assert.deepEqual(addresses(answer), ['ada@example.com'])
  assert.deepEqual(answer.errors[0].context.ids, ['nobody@example.com'])
})

await step('list, page by page', async () => {
  const first = await contacts.basicApi.getPage(2, undefined, ['email'])
  assert.equal(first.results.length, 2)
  const second = await contacts.basicApi.getPage(2, first.paging.next.after, ['email'])
  assert.equal(second.results.length, 2)
  assert.equal((await contacts.getAll(2, undefined, ['email'])).length, 4)
})

const search = (value) => ({
  filterGroups: [{ filters: [{ propertyName: 'email', operator: 'EQ', value }] }],
  sorts: [], properties: ['email', 'jobtitle'], limit: 10, after: '0',
})

await step('search', async () => {
  const answer = await contacts.searchApi.doSearch(search('ada@example.com'))
  assert.equal(answer.total, 1)
  assert.equal(answer.results[0].id, ada)
  assert.equal(answer.results[0].properties.jobtitle, 'Engineer')
  assert.equal((await contacts.searchApi.doSearch(search('nobody@example.com'))).total, 0)
  assert.equal((await refused(400, contacts.searchApi.doSearch({ ...search('x'), limit: 201 }))).category, 'VALIDATION_ERROR')
})

await step('search of a window of time, on from an id, as a scan does', async () => {
  const scan = async (last) => contacts.searchApi.doSearch({
    filterGroups: [{ filters: [
      { propertyName: 'lastmodifieddate', operator: 'BETWEEN', value: String(Date.now() - 3600_000), highValue: String(Date.now() + 60_000) },
      { propertyName: 'hs_object_id', operator: 'GT', value: last }] }],
    sorts: [{ propertyName: 'hs_object_id', direction: 'ASCENDING' }], properties: ['email', 'hs_email_optout'], limit: 3, after: '0' })
  const seen = []
  for (let last = '1', page; page = await scan(last), page.results.length > 0; last = page.results.at(-1).id) {
    assert.equal(page.total, 4 - seen.length)
    seen.push(...page.results.map((one) => one.id))
  }
  assert.equal(new Set(seen).size, 4)
  assert.deepEqual(seen, [...seen].sort((a, b) => a - b))
})

await step('what a person changes: a value, an opt-out, with its history', async () => {
  await admin('edit', JSON.stringify({ email: 'ada@example.com', properties: { jobtitle: 'Countess' } }))
  await admin('optout', JSON.stringify({ email: 'ada@example.com' }))
  const one = await contacts.basicApi.getById(ada, ['jobtitle', 'hs_email_optout'], ['jobtitle'])
  assert.deepEqual([one.properties.jobtitle, one.properties.hs_email_optout], ['Countess', 'true'])
  assert.deepEqual(one.propertiesWithHistory.jobtitle.map((was) => [was.value, was.sourceType]), [['Countess', 'CRM_UI'], ['Engineer', 'INTEGRATION']])
  const out = await contacts.searchApi.doSearch({ ...search('x'), filterGroups: [{ filters: [{ propertyName: 'hs_email_optout', operator: 'EQ', value: 'true' }] }] })
  assert.deepEqual(out.results.map((hit) => hit.id), [ada])
  const changes = (await admin('changes')).trim().split('\n').map((line) => JSON.parse(line))
  assert.deepEqual(changes.map((one) => one.kind), ['updated', 'optout'])
  await admin('optout', JSON.stringify({ email: 'ada@example.com', in: true }))
})

await step("limits and trouble are what the client's own retries look for", async () => {
  await admin('faults', 'search=429x1,list=500x1')
  assert.equal((await contacts.searchApi.doSearch(search('ada@example.com'))).total, 1)
  assert.equal((await contacts.basicApi.getPage(1)).results.length, 1)
  assert.equal((await admin('faults')).trim(), '')
})

await step('property definitions', async () => {
  const properties = client.crm.properties.coreApi
  const all = await properties.getAll('contacts')
  assert.equal(all.results.find((one) => one.name === 'createdate').modificationMetadata.readOnlyValue, true)
  const plan = await properties.create('contacts', { name: 'plan', label: 'Plan', groupName: 'contactinformation', type: 'enumeration', fieldType: 'select',
    options: [{ label: 'Pro', value: 'pro', displayOrder: 0, hidden: false }] })
  assert.equal(plan.options[0].value, 'pro')
  assert.equal((await properties.getByName('contacts', 'plan')).label, 'Plan')
  await contacts.basicApi.update(ada, { properties: { plan: 'pro' } })
  await properties.archive('contacts', 'plan')
  await refused(404, properties.getByName('contacts', 'plan'))
})

await step('archive', async () => {
  await contacts.basicApi.archive(ada)
  await refused(404, contacts.basicApi.getById(ada))
  const gone = await contacts.basicApi.getById(ada, undefined, undefined, undefined, true)
  assert.equal(gone.archived, true)
  assert.ok(gone.archivedAt instanceof Date)
  await contacts.batchApi.archive({ inputs: [{ id: made['joan@example.net'] }] })
  assert.equal((await contacts.getAll()).length, 2)
  const bin = await contacts.basicApi.getPage(1, undefined, ['email'], undefined, undefined, true)
  assert.equal(bin.results[0].archived, true)
  assert.ok(bin.results[0].archivedAt instanceof Date)
  assert.equal((await contacts.getAll(1, undefined, ['email'], undefined, undefined, true)).length, 2)
  await admin('restore', JSON.stringify({ id: ada }))
  assert.equal((await contacts.basicApi.getById(ada, ['jobtitle'])).properties.jobtitle, 'Countess')
  await contacts.basicApi.archive(ada)
})

await step('merge and deletion for privacy', async () => {
  const katherine = (await contacts.basicApi.getById('katherine@example.com', undefined, undefined, undefined, false, 'email')).id
  const one = await contacts.basicApi.merge({ primaryObjectId: made['grace@example.org'], objectIdToMerge: katherine })
  assert.equal((await contacts.basicApi.getById(katherine)).id, one.id)
  await contacts.basicApi.purge({ objectId: 'grace@example.org', idProperty: 'email' })
  assert.equal((await contacts.getAll()).length, 0)
})

await step('the dated paths', async () => {
  const call = async (method, path, body) => {
    const answer = await client.apiRequest({ method, path, body })
    return [answer.status, answer.status === 204 ? null : await answer.json()]
  }
  const [status, account] = await call('GET', '/account-info/2026-09/details')
  assert.deepEqual([status, account.portalId], [200, Number(env('SIM_PORTAL_ID'))])
  const [, upserted] = await call('POST', '/crm/objects/2026-09/contacts/batch/upsert', { inputs: [
    { id: 'radia@example.com', idProperty: 'email', properties: { email: 'radia@example.com' }, objectWriteTraceId: 'row-1' }] })
  assert.equal(upserted.results[0].new, true)
  const [found, read] = await call('GET', `/crm/objects/2026-09/contacts/${upserted.results[0].id}`)
  assert.deepEqual([found, read.properties.email], [200, 'radia@example.com'])
})

// The client has the v3 form of subscriptions only: leadsync speaks the dated one.
await step('subscriptions, on the dated paths', async () => {
  const call = async (method, path, body) => {
    const answer = await client.apiRequest({ method, path: `/communication-preferences/2026-09/${path}`, body })
    return [answer.status, await answer.json()]
  }
  const [, types] = await call('GET', 'definitions')
  const id = Number(types.results[0].id)
  const status = async () => (await call('GET', 'statuses/radia%40example.com?channel=EMAIL'))[1].results.find((one) => one.subscriptionId === id).status
  assert.equal(await status(), 'NOT_SPECIFIED')
  const [, set] = await call('POST', 'statuses/radia%40example.com', { channel: 'EMAIL', subscriptionId: id, statusState: 'UNSUBSCRIBED' })
  assert.equal(set.results[0].setStatusSuccessReason, 'REQUESTED_CHANGE_OCCURRED')
  assert.equal(await status(), 'UNSUBSCRIBED')
  const all = 'statuses/radia%40example.com/unsubscribe-all?channel=EMAIL'
  assert.deepEqual((await call('GET', all))[1].results, [])
  assert.deepEqual((await call('POST', all))[1].results, []) // a success, without verbose
  assert.equal((await call('GET', all))[1].results[0].wideStatusType, 'PORTAL_WIDE')
  const radia = await contacts.basicApi.getById('radia@example.com', ['hs_email_optout', `hs_email_optout_${id}`], undefined, undefined, false, 'email')
  assert.deepEqual([radia.properties.hs_email_optout, radia.properties[`hs_email_optout_${id}`]], ['true', 'true'])
  const [wrote, batch] = await call('POST', 'statuses/batch/unsubscribe-all?channel=EMAIL&verbose=true', { inputs: ['grace@example.org', 'no address'] })
  assert.deepEqual([wrote, batch.results.map((one) => one.subscriberIdString), batch.numErrors], [200, ['grace@example.org'], 1])
  assert.equal((await refused(400, client.apiRequest({ method: 'GET', path: '/communication-preferences/2026-09/statuses/radia%40example.com' })
    .then(async (answer) => answer.ok ? answer : Promise.reject(Object.assign(new Error(), { code: answer.status, body: await answer.json() }))))).category, 'VALIDATION_ERROR')
})

await step('a refused token: 401; a static one', async () => {
  use('no-such-token')
  assert.equal((await refused(401, contacts.basicApi.getPage())).category, 'INVALID_AUTHENTICATION')
  use(env('SIM_STATIC_TOKEN'))
  assert.equal((await contacts.basicApi.getPage()).results.length, 1)
})

await step('the end of the login', async () => {
  await client.oauth.refreshTokensApi.archive(env('SIM_REFRESH_TOKEN'))
  assert.equal((await refused(400, client.oauth.tokensApi.create('refresh_token', undefined, undefined, env('SIM_CLIENT_ID'), env('SIM_CLIENT_SECRET'),
    env('SIM_REFRESH_TOKEN')))).status, 'BAD_REFRESH_TOKEN')
})

console.log(`node client: ${steps} steps ok`)
