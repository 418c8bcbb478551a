import { ILayoutRestorer } from '@jupyterlab/application';
import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { requestOverview } from './gateway';
import { GatewayModel } from './model';
// eslint-disable-next-line jupyter/prefer-lazy-imports -- the sidebar's tab is there from the start
import { GatewayPanel } from './panel';
import { IGatewayModel } from './tokens';

export { IGatewayModel } from './tokens';
export type { IOffer, ISession, SessionState } from './gateway';
export type { Condition, IListing } from './listing';

const SHOW_PANEL = 'farcell:show-panel';

const model: JupyterFrontEndPlugin<IGatewayModel> = {
  id: 'farcell:model',
  description: 'Knows what the Farcell gateway offers and runs.',
  autoStart: true,
  provides: IGatewayModel,
  activate: (app: JupyterFrontEnd): IGatewayModel => {
    const { serverSettings } = app.serviceManager;
    const gateway = new GatewayModel(() => requestOverview(serverSettings));
    void app.started.then(() => gateway.start());
    return gateway;
  }
};

const panel: JupyterFrontEndPlugin<void> = {
  id: 'farcell:panel',
  description: 'Shows offers and sessions in the sidebar.',
  autoStart: true,
  requires: [IGatewayModel],
  optional: [ITranslator, ILayoutRestorer, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    gateway: IGatewayModel,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('farcell');
    const widget = new GatewayPanel(gateway, trans);
    app.shell.add(widget, 'left', { rank: 600, type: 'Farcell' });
    restorer?.add(widget, widget.id);
    app.commands.addCommand(SHOW_PANEL, {
      label: trans.__('Show Far GPUs'),
      caption: trans.__('Show the offers and sessions of the gateway'),
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => {
        app.shell.activateById(widget.id);
      }
    });
    palette?.addItem({ command: SHOW_PANEL, category: trans.__('Farcell') });
  }
};

export default [model, panel];
