// Gatehouse in front: this app knows no key, no token and no issuer. The same file serves all three configurations
// beside it. GATEHOUSE=https://mcp.example.com SELF=http://127.0.0.1:3000/mcp LISTEN=127.0.0.1:3000 node server.ts
import express from 'express';
import { identify } from './identity.ts';
import { serve, host, port } from '../notes.ts';

const app = express();
app.use(express.json());
app.post('/mcp', async (req, res) => {
  const caller = await identify(req).catch(() => undefined); // who it is, as Gatehouse has signed it
  if (!caller) return void res.status(401).send('not from the gateway\n');
  await serve(caller.sub!, req, res);
});
app.listen(Number(port), host);
