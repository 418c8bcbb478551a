import { LabIcon } from '@jupyterlab/ui-components';

import farcellSvg from '../style/farcell.svg';

export const farcellIcon = new LabIcon({
  name: 'farcell:farcell',
  svgstr: farcellSvg
});
